import type { KubeObject, OwnerReference } from '../api/object.ts';
import { parseApiVersion } from '../api/object.ts';
import type { TypedResource } from '../client/rest-client.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/** One object as the garbage collector sees it. */
export interface GraphNode {
  readonly uid: string;
  readonly type: TypedResource<KubeObject>;
  readonly namespace: string;
  readonly name: string;
  readonly owners: readonly OwnerReference[];
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
}

export function graphNode(type: TypedResource<KubeObject>, object: KubeObject): GraphNode {
  const { metadata } = object;
  return {
    uid: metadata.uid ?? '',
    type,
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    owners: metadata.ownerReferences ?? [],
    finalizers: metadata.finalizers ?? [],
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

/** Is being deleted, and waits for its dependents. */
export function waitsForDependents(node: GraphNode): boolean {
  return node.deleting && node.finalizers.includes(FOREGROUND);
}

/**
 * Whether a reference names this very object, as seen from a dependent in `namespace`. A UID alone proves nothing: whoever
 * writes the dependent chooses it, and an owner with a namespace counts in that namespace only.
 */
export function isNamedBy(node: GraphNode, reference: OwnerReference, namespace: string): boolean {
  return (
    node.uid === reference.uid &&
    node.name === reference.name &&
    node.type.kind === reference.kind &&
    node.type.group === parseApiVersion(reference.apiVersion).group &&
    (!node.type.namespaced || node.namespace === namespace)
  );
}

/** Who owns whom, by UID. */
export class OwnershipGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  /** All that have a reference with this UID, whether or not it is a valid one. */
  referrers(uid: string): readonly GraphNode[] {
    const uids = this.#dependents.get(uid);
    if (uids === undefined) return [];
    return [...uids].flatMap((u) => this.#nodes.get(u) ?? []);
  }

  /** The objects that a node owns, itself left out. */
  dependentsOf(owner: GraphNode): readonly GraphNode[] {
    return this.referrers(owner.uid).filter(
      (d) => d.uid !== owner.uid && d.owners.some((o) => isNamedBy(owner, o, d.namespace)),
    );
  }

  put(node: GraphNode): void {
    this.#unlink(node.uid);
    this.#nodes.set(node.uid, node);
    for (const owner of node.owners) {
      const set = this.#dependents.get(owner.uid);
      if (set === undefined) this.#dependents.set(owner.uid, new Set([node.uid]));
      else set.add(node.uid);
    }
  }

  remove(uid: string): void {
    this.#unlink(uid);
    this.#nodes.delete(uid);
  }

  #unlink(uid: string): void {
    for (const owner of this.#nodes.get(uid)?.owners ?? []) {
      const set = this.#dependents.get(owner.uid);
      set?.delete(uid);
      if (set?.size === 0) this.#dependents.delete(owner.uid);
    }
  }
}
