import type { UserInfo } from '../api/user-info.ts';
import { CausewayError } from '../lib/errors.ts';
import type { Attributes, Authorizer } from './authorizer.ts';

export interface Impersonation {
  /** Who the request runs as, once every check is allowed. */
  readonly user: UserInfo;
  /** What the real user must be allowed, each of them. */
  readonly checks: readonly Attributes[];
}

/**
 * Reads `Impersonate-User`, `-Group`, `-Uid` and `-Extra-*` from raw header pairs (name, value, name, value, …, any case).
 * Undefined when none is there. Throws BadRequest for groups, uid or extra without a user, for repeated or malformed headers.
 */
export function parseImpersonation(_requester: UserInfo, _rawHeaders: readonly string[]): Impersonation | undefined {
  throw new CausewayError('InternalError', 'not implemented');
}

/** `parseImpersonation`, then asks for each check; throws Forbidden with Kubernetes' sentence for the first that is not allowed. */
export async function impersonate(
  _authorizer: Authorizer,
  _requester: UserInfo,
  _rawHeaders: readonly string[],
): Promise<UserInfo | undefined> {
  throw new CausewayError('InternalError', 'not implemented');
}
