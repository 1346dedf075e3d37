import type { KubeObject } from '../../api/object.ts';
import { CausewayError } from '../../lib/errors.ts';

/** The kinds whose changes the graph must see. */
export type NodeGraphResource =
  | 'pods'
  | 'persistentvolumes'
  | 'volumeattachments'
  | 'resourceslices'
  | 'serviceaccounts';

/**
 * Which objects the pods of each node refer to. Fed synchronously from the watch cache, before watchers are told: a kubelet that has
 * seen its pod must find the pod's secrets allowed.
 */
export class NodeGraph {
  /** An object was added or changed, or (`undefined` for `object`) deleted. */
  set(_resource: NodeGraphResource, _namespace: string, _name: string, _object: KubeObject | undefined): void {
    throw new CausewayError('InternalError', 'not implemented');
  }
}
