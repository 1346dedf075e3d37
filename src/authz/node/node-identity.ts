import type { UserInfo } from '../../api/user-info.ts';
import type { CredentialAnchor } from '../../authn/credential-anchor.ts';

const prefix = 'system:node:';

/** The Node objects that there are. */
export interface NodeUids {
  uidOf(node: string): string | undefined;
}

/**
 * The node that a user is: name `system:node:<node>` and group `system:nodes`, both. Undefined for anybody else. The node's name is
 * empty when the user is in the right shape but names no node: such a user is refused everything, not treated as an ordinary user.
 */
export function nodeNameOf(user: UserInfo): string | undefined {
  if (!user.username.startsWith(prefix) || !user.groups.includes('system:nodes')) return undefined;
  return user.username.slice(prefix.length);
}

/**
 * Why a node's credential is good for nothing; `undefined` while there is a Node of that name with the very UID that the credential names.
 * One without a UID is never good: a name comes back when a node is deleted and made again, a UID does not.
 */
export function whyNotPinned(node: string, credentialUid: string | undefined, nodeUid: string | undefined) {
  if (credentialUid === undefined || credentialUid === '') {
    return `the credential of node ${JSON.stringify(node)} does not name the UID of its Node object`;
  }
  if (nodeUid === undefined) return `node ${JSON.stringify(node)} does not exist: it was removed from the cluster`;
  if (nodeUid === credentialUid) return undefined;
  return `node ${JSON.stringify(node)} was removed from the cluster, and another one has its name`;
}

/** What is for this one Node object ends with it. */
export function nodeAnchor(name: string, uid: string | undefined): CredentialAnchor {
  return {
    resource: 'nodes',
    namespace: '',
    name,
    endsAt: (node) => (whyNotPinned(name, uid, node?.metadata.uid) === undefined ? Number.POSITIVE_INFINITY : 0),
  };
}
