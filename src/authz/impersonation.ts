import { REMOTE_ADDRESS_EXTRA, type UserInfo } from '../api/user-info.ts';
import { CausewayError } from '../lib/errors.ts';
import type { Attributes, Authorizer } from './authorizer.ts';
import { forbidden } from './forbidden.ts';
import { MAX_IMPERSONATED_VALUES, MAX_IMPERSONATION_HEADER_LENGTH } from './limits.ts';

export interface Impersonation {
  /** Who the request runs as, once every check is allowed. */
  readonly user: UserInfo;
  /** What the real user must be allowed, each of them. */
  readonly checks: readonly Attributes[];
}

interface Asked {
  user: string | undefined;
  uid: string | undefined;
  readonly groups: string[];
  readonly extra: Map<string, string[]>;
}

const extraPrefix = 'impersonate-extra-';
const serviceAccountPrefix = 'system:serviceaccount:';
const authenticationGroup = 'authentication.k8s.io';

/**
 * Reads `Impersonate-User`, `-Group`, `-Uid` and `-Extra-*` from raw header pairs (name, value, name, value, …, any case).
 * Undefined when none is there. Throws BadRequest for groups, uid or extra without a user, for repeated or malformed headers.
 */
export function parseImpersonation(requester: UserInfo, rawHeaders: readonly string[]): Impersonation | undefined {
  const asked = readHeaders(rawHeaders);
  if (asked === undefined) return undefined;
  if (asked.user === undefined) throw badRequest('Impersonate-Group, -Uid and -Extra need Impersonate-User');

  const checks: Attributes[] = [];
  const check = (apiGroup: string, resource: string, name: string, namespace = '', subresource = ''): void => {
    checks.push({
      user: requester,
      verb: 'impersonate',
      resourceRequest: true,
      namespace,
      apiGroup,
      apiVersion: 'v1',
      resource,
      subresource,
      name,
      path: '',
    });
  };

  const account = serviceAccountOf(asked.user);
  if (account === undefined) check('', 'users', asked.user);
  else check('', 'serviceaccounts', account.name, account.namespace);
  for (const group of asked.groups) check('', 'groups', group);
  for (const [key, values] of asked.extra) {
    for (const value of values) check(authenticationGroup, 'userextras', value, '', key);
  }
  if (asked.uid !== undefined) check(authenticationGroup, 'uids', asked.uid);

  const user: UserInfo = {
    username: asked.user,
    groups: effectiveGroups(asked.user, asked.groups, account?.namespace),
    ...(asked.uid === undefined ? {} : { uid: asked.uid }),
    ...(asked.extra.size === 0 ? {} : { extra: Object.fromEntries(asked.extra) }),
  };
  return { user, checks };
}

/** `parseImpersonation`, then asks for each check; throws Forbidden with Kubernetes' sentence for the first that is not allowed. */
export async function impersonate(
  authorizer: Authorizer,
  requester: UserInfo,
  rawHeaders: readonly string[],
): Promise<UserInfo | undefined> {
  const impersonation = parseImpersonation(requester, rawHeaders);
  if (impersonation === undefined) return undefined;
  for (const check of impersonation.checks) {
    const { verdict, reason } = await authorizer.authorize(check);
    if (verdict !== 'allow') throw forbidden(check, reason);
  }
  return impersonation.user;
}

function readHeaders(rawHeaders: readonly string[]): Asked | undefined {
  const asked: Asked = { user: undefined, uid: undefined, groups: [], extra: new Map() };
  let count = 0;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (!name.startsWith('impersonate-')) continue;
    const value = checkedValue(name, rawHeaders[i + 1] ?? '');
    if (++count > MAX_IMPERSONATED_VALUES) throw badRequest('too many impersonation headers');
    if (name === 'impersonate-user') asked.user = once(name, asked.user, value);
    else if (name === 'impersonate-uid') asked.uid = once(name, asked.uid, value);
    else if (name === 'impersonate-group') asked.groups.push(value);
    else if (name.startsWith(extraPrefix)) {
      const key = extraKey(name.slice(extraPrefix.length));
      asked.extra.set(key, [...(asked.extra.get(key) ?? []), value]);
    } else throw badRequest(`unknown impersonation header ${JSON.stringify(name)}`);
  }
  return count === 0 ? undefined : asked;
}

/** An empty value would run the request as nobody in particular, or (worse) as the requester. */
function checkedValue(name: string, value: string): string {
  if (value === '') throw badRequest(`the header ${name} is empty`);
  if (value.length > MAX_IMPERSONATION_HEADER_LENGTH) throw badRequest(`the header ${name} is too long`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(value)) throw badRequest(`the header ${name} holds a control character`);
  return value;
}

/** Two of a header that says who one is: two readers could believe different ones. */
function once(name: string, before: string | undefined, value: string): string {
  if (before !== undefined) throw badRequest(`the header ${name} is repeated`);
  return value;
}

/** Keys are percent-encoded, as header names allow few characters; they are compared in lower case. */
function extraKey(encoded: string): string {
  let key: string;
  try {
    key = decodeURIComponent(encoded).toLowerCase();
  } catch {
    throw badRequest('an Impersonate-Extra- key is not valid percent-encoding');
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (key === '' || /[\u0000-\u001f\u007f]/.test(key)) throw badRequest('an Impersonate-Extra- key is malformed');
  if (key === REMOTE_ADDRESS_EXTRA) throw badRequest(`${key} is what the apiserver sees: nobody can impersonate it`);
  return key;
}

function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(serviceAccountPrefix)) return undefined;
  const parts = username.slice(serviceAccountPrefix.length).split(':');
  const [namespace = '', name = ''] = parts;
  return parts.length === 2 && namespace !== '' && name !== '' ? { namespace, name } : undefined;
}

/** The groups asked for, or those that a service account always has; and the one that says whether this is somebody. */
function effectiveGroups(
  username: string,
  asked: readonly string[],
  accountNamespace: string | undefined,
): readonly string[] {
  const groups =
    asked.length === 0 && accountNamespace !== undefined
      ? ['system:serviceaccounts', `system:serviceaccounts:${accountNamespace}`]
      : [...asked];
  if (username === 'system:anonymous') {
    return groups.includes('system:unauthenticated') ? groups : [...groups, 'system:unauthenticated'];
  }
  const said = groups.includes('system:authenticated') || groups.includes('system:unauthenticated');
  return said ? groups : [...groups, 'system:authenticated'];
}

function badRequest(message: string): CausewayError {
  return new CausewayError('BadRequest', message);
}
