import type { KubeObject, OwnerReference } from '../api/object.ts';
import type { TypedResource } from '../client/rest-client.ts';

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

/** Who owns whom, by UID. */
export class OwnershipGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  dependentsOf(uid: string): readonly GraphNode[] {
    const uids = this.#dependents.get(uid);
    if (uids === undefined) return [];
    return [...uids].flatMap((u) => this.#nodes.get(u) ?? []);
  }

  put(type: TypedResource<KubeObject>, object: KubeObject): GraphNode {
    const meta = object.metadata;
    const uid = meta.uid ?? '';
    this.#unlink(uid);
    const node: GraphNode = {
      uid,
      type,
      namespace: meta.namespace ?? '',
      name: meta.name ?? '',
      owners: meta.ownerReferences ?? [],
      finalizers: meta.finalizers ?? [],
      deleting: meta.deletionTimestamp !== undefined,
    };
    this.#nodes.set(uid, node);
    for (const owner of node.owners) {
      const set = this.#dependents.get(owner.uid);
      if (set === undefined) this.#dependents.set(owner.uid, new Set([uid]));
      else set.add(uid);
    }
    return node;
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
