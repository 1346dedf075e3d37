import { rfc3339 } from '../../lib/clock.ts';
import { Secret as SecretValue } from '../../lib/secret.ts';
import type { Secret } from '../generated/types.ts';
import { getOwn } from '../json-object.ts';

/**
 * Kubernetes' bootstrap tokens: `ID.SECRET`, kept in the Secret `kube-system/bootstrap-token-ID`. Keys and rules are those of
 * `k8s.io/cluster-bootstrap`; `node-name`, `single-use` and `used-by` are ours.
 */
export const BOOTSTRAP_TOKEN_NAMESPACE = 'kube-system';
export const BOOTSTRAP_TOKEN_TYPE = 'bootstrap.kubernetes.io/token';
const SECRET_PREFIX = 'bootstrap-token-';
const USER_PREFIX = 'system:bootstrap:';

/** Keys of the Secret's data. */
export const TOKEN_KEYS = {
  id: 'token-id',
  secret: 'token-secret',
  expiration: 'expiration',
  description: 'description',
  extraGroups: 'auth-extra-groups',
  authentication: 'usage-bootstrap-authentication',
  /** The only node that may join with it. */
  nodeName: 'node-name',
  /** Absent means "true": it yields one node's certificate. */
  singleUse: 'single-use',
  /** The uid of the certificate request that took it. */
  usedBy: 'used-by',
} as const;

const idPattern = /^[a-z0-9]{6}$/;
const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** The two parts of `ID.SECRET`; undefined for what is no bootstrap token. */
export function parseBootstrapToken(text: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = tokenPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

export function isBootstrapTokenId(text: string): boolean {
  return idPattern.test(text);
}

export function isBootstrapGroup(name: string): boolean {
  return groupPattern.test(name);
}

export function bootstrapTokenSecretName(id: string): string {
  return `${SECRET_PREFIX}${id}`;
}

/** The token that a user authenticated with; undefined for anybody who used none. */
export function bootstrapTokenOf(username: string): string | undefined {
  const id = username.startsWith(USER_PREFIX) ? username.slice(USER_PREFIX.length) : '';
  return isBootstrapTokenId(id) ? id : undefined;
}

/** Whether a user has authenticated with a bootstrap token, or wants to be taken for one who has. */
export function isBootstrapUser(username: string): boolean {
  return username.startsWith(USER_PREFIX);
}

/** What a token's Secret says. Whatever cannot be read counts as the narrower of what it could mean. */
export interface BootstrapToken {
  readonly id: string;
  readonly secret: SecretValue;
  /** Milliseconds since the epoch; undefined when it never ends, 0 when the time cannot be read. */
  readonly expiresAt: number | undefined;
  /** `authentication`, `signing`, …, sorted. */
  readonly usages: readonly string[];
  /** Of `auth-extra-groups`, as they stand there. */
  readonly extraGroups: readonly string[];
  readonly description: string;
  readonly nodeName: string | undefined;
  readonly singleUse: boolean;
  readonly usedBy: string | undefined;
}

/** What a new token is to say; what is undefined or empty is left out. */
export interface NewBootstrapToken {
  readonly id: string;
  readonly secret: string;
  readonly expiresAt: number | undefined;
  readonly description: string;
  readonly extraGroups: readonly string[];
  readonly nodeName: string | undefined;
  readonly singleUse: boolean;
}

/** The Secret of a token for authentication. */
export function bootstrapTokenSecret(token: NewBootstrapToken): Secret {
  const { id, secret, expiresAt, description, extraGroups, nodeName, singleUse } = token;
  const values: readonly (readonly [key: string, value: string])[] = [
    [TOKEN_KEYS.id, id],
    [TOKEN_KEYS.secret, secret],
    [TOKEN_KEYS.authentication, 'true'],
    [TOKEN_KEYS.expiration, expiresAt === undefined ? '' : rfc3339(expiresAt)],
    [TOKEN_KEYS.description, description],
    [TOKEN_KEYS.extraGroups, extraGroups.join(',')],
    [TOKEN_KEYS.nodeName, nodeName ?? ''],
    [TOKEN_KEYS.singleUse, String(singleUse)],
  ];
  const data = values
    .filter(([, value]) => value !== '')
    .map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return {
    metadata: { name: bootstrapTokenSecretName(id), namespace: BOOTSTRAP_TOKEN_NAMESPACE },
    type: BOOTSTRAP_TOKEN_TYPE,
    data: Object.fromEntries(data) as Record<string, string>,
  };
}

/** undefined when the Secret is of another type, is another token's, or is being deleted. */
export function readBootstrapToken(secret: Secret): BootstrapToken | undefined {
  const { name, namespace, deletionTimestamp } = secret.metadata;
  if (secret.type !== BOOTSTRAP_TOKEN_TYPE || namespace !== BOOTSTRAP_TOKEN_NAMESPACE) return undefined;
  if (deletionTimestamp !== undefined) return undefined;
  const value = (key: string): string | undefined => dataValue(secret, key);
  const id = value(TOKEN_KEYS.id) ?? '';
  if (!isBootstrapTokenId(id) || name !== bootstrapTokenSecretName(id)) return undefined;
  return {
    id,
    secret: new SecretValue(value(TOKEN_KEYS.secret) ?? ''),
    expiresAt: expiryOf(value(TOKEN_KEYS.expiration) ?? ''),
    usages: usagesOf(secret),
    extraGroups: listOf(value(TOKEN_KEYS.extraGroups) ?? ''),
    description: value(TOKEN_KEYS.description) ?? '',
    nodeName: value(TOKEN_KEYS.nodeName),
    singleUse: value(TOKEN_KEYS.singleUse) !== 'false',
    usedBy: value(TOKEN_KEYS.usedBy),
  };
}

/** When a token's Secret is to be deleted, in ms since the epoch; undefined for never. */
export function expirationOf(secret: Secret): number | undefined {
  return expiryOf(dataValue(secret, TOKEN_KEYS.expiration) ?? '');
}

export function hasExpired({ expiresAt }: Pick<BootstrapToken, 'expiresAt'>, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

/** One value of a Secret's data, decoded. */
export function dataValue(secret: Secret, key: string): string | undefined {
  const value = getOwn(secret.data ?? {}, key);
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString() : undefined;
}

function listOf(text: string): string[] {
  return text === '' ? [] : text.split(',');
}

function expiryOf(text: string): number | undefined {
  if (text === '') return undefined;
  const at = timePattern.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? 0 : at;
}

const USAGE_PREFIX = 'usage-bootstrap-';

function usagesOf(secret: Secret): string[] {
  return Object.keys(secret.data ?? {})
    .filter((key) => key.startsWith(USAGE_PREFIX) && dataValue(secret, key) === 'true')
    .map((key) => key.slice(USAGE_PREFIX.length))
    .sort();
}
