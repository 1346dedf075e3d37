import type { KubeObject } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';
import type { CredentialAnchor } from '../../authn/credential-anchor.ts';

const prefix = 'system:node:';

/** The Nodes that are part of the cluster: their `liveNodeUid`. */
export interface NodeUids {
  /** At once; a Node that was made this very moment may be missing. */
  uidOf(node: string): string | undefined;
  /** Sees every write that was acknowledged before the call. */
  readUid(node: string): Promise<string | undefined>;
}

/**
 * The node that a user is: name `system:node:<node>` and group `system:nodes`, both. Undefined for anybody else. The node's name is
 * empty when the user is in the right shape but names no node: such a user is refused everything, not treated as an ordinary user.
 */
export function nodeNameOf(user: UserInfo): string | undefined {
  if (!user.username.startsWith(prefix) || !user.groups.includes('system:nodes')) return undefined;
  return user.username.slice(prefix.length);
}

/** The UID of a Node that is part of the cluster. One whose deletion waits for a finalizer is not: whoever deleted it has decided. */
export function liveNodeUid(node: KubeObject | undefined): string | undefined {
  return node?.metadata.deletionTimestamp === undefined ? node?.metadata.uid : undefined;
}

/**
 * Why a node's credential is good for nothing; `undefined` while the UID that it names is that of the Node of that name.
 * One without a UID is never good: a name comes back when a node is deleted and made again, a UID does not.
 */
export function whyNotPinned(
  node: string,
  credentialUid: string | undefined,
  nodeUid: string | undefined,
): string | undefined {
  if (credentialUid === undefined || credentialUid === '') {
    return `the credential of node ${JSON.stringify(node)} does not name the UID of its Node object`;
  }
  if (nodeUid === undefined) return `node ${JSON.stringify(node)} is no longer part of the cluster`;
  if (nodeUid === credentialUid) return undefined;
  return `node ${JSON.stringify(node)} was removed from the cluster, and another one has its name`;
}

/** What is for this one Node object ends with it. */
export function nodeAnchor(name: string, uid: string | undefined): CredentialAnchor {
  return {
    resource: 'nodes',
    namespace: '',
    name,
    endsAt: (node) => (whyNotPinned(name, uid, liveNodeUid(node)) === undefined ? Number.POSITIVE_INFINITY : 0),
  };
}
