import type { KubeObject, OwnerReference } from '../api/object.ts';
import { parseApiVersion } from '../api/object.ts';
import type { RestClient, TypedResource } from '../client/rest-client.ts';
import { isCode } from '../lib/errors.ts';
import { type GraphNode, graphNode, isNamedBy, type OwnershipGraph, waitsForDependents } from './ownership-graph.ts';

/** Owners that are known to be gone. A UID never comes back, so this is never wrong; it saves asking for each dependent. */
const MAX_ABSENT = 500;

/**
 * - `solid`: the owner is there
 * - `waiting`: it is being deleted and waits for its dependents
 * - `absent`: the apiserver says that it is gone, or that another object has its name
 * - `elsewhere`: the reference can never be right, as the owner has a namespace and the dependent has none
 * - `unknown`: the apiserver does not serve this kind
 */
export type OwnerState = 'solid' | 'waiting' | 'absent' | 'elsewhere' | 'unknown';

/** Finds out what has become of an owner: by the graph where it shows the owner, else by asking the apiserver. */
export class OwnerLookup {
  readonly #client: RestClient;
  readonly #graph: OwnershipGraph;
  readonly #absent = new Set<string>();
  /** Every kind that is served, by group and kind. */
  #types: ReadonlyMap<string, TypedResource<KubeObject>> = new Map();

  constructor(client: RestClient, graph: OwnershipGraph) {
    this.#client = client;
    this.#graph = graph;
  }

  serve(types: readonly TypedResource<KubeObject>[]): void {
    this.#types = new Map(types.map((t) => [`${t.group}/${t.kind}`, t]));
  }

  /** Whether the graph alone shows that the owner is there. */
  isSurelySolid(dependent: GraphNode, owner: OwnerReference): boolean {
    const known = this.#graph.get(owner.uid);
    return known !== undefined && isNamedBy(known, owner, dependent.namespace) && !waitsForDependents(known);
  }

  async stateOf(dependent: GraphNode, owner: OwnerReference, signal: AbortSignal): Promise<OwnerState> {
    const known = this.#graph.get(owner.uid);
    if (known !== undefined && isNamedBy(known, owner, dependent.namespace)) {
      return waitsForDependents(known) ? 'waiting' : 'solid';
    }
    // The watch may be behind, or the reference a lie: the apiserver decides.
    const type = this.#types.get(`${parseApiVersion(owner.apiVersion).group}/${owner.kind}`);
    if (type === undefined) return 'unknown';
    if (type.namespaced && dependent.namespace === '') return 'elsewhere';
    const id = JSON.stringify([
      type.group,
      type.kind,
      type.namespaced ? dependent.namespace : '',
      owner.name,
      owner.uid,
    ]);
    if (this.#absent.has(id)) return 'absent';
    const live = await this.#find(type, dependent.namespace, owner.name, signal);
    if (live === undefined || live.uid !== owner.uid) {
      this.#rememberAbsent(id);
      return 'absent';
    }
    return waitsForDependents(live) ? 'waiting' : 'solid';
  }

  async #find(
    type: TypedResource<KubeObject>,
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<GraphNode | undefined> {
    try {
      return graphNode(type, await this.#client.getMetadata(type, namespace, name, signal));
    } catch (error) {
      if (isCode(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #rememberAbsent(id: string): void {
    this.#absent.add(id);
    if (this.#absent.size > MAX_ABSENT) this.#absent.delete(this.#absent.values().next().value ?? '');
  }
}
