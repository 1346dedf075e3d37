import type { UserInfo } from '../../api/user-info.ts';

const prefix = 'system:node:';

/**
 * The node that a user is: name `system:node:<node>` and group `system:nodes`, both. Undefined for anybody else. The node's name is
 * empty when the user is in the right shape but names no node: such a user is refused everything, not treated as an ordinary user.
 */
export function nodeNameOf(user: UserInfo): string | undefined {
  if (!user.username.startsWith(prefix) || !user.groups.includes('system:nodes')) return undefined;
  return user.username.slice(prefix.length);
}
