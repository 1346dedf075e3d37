import type { Node, Pod, Taint } from '../api/generated/types.ts';
import { isEnded, type PodInfo, podInfo } from './pod-info.ts';
import { addResources, allocatable, type Resources } from './pod-requests.ts';

/** A node and the pods on it: bound, or assumed to be. */
export interface NodeInfo {
  readonly name: string;
  readonly node: Node;
  readonly labels: Readonly<Record<string, string>>;
  readonly pods: ReadonlyMap<string, PodInfo>;
  readonly allocatable: Resources;
  /** The sums of what the pods ask for. */
  readonly requested: Resources;
  readonly rated: { readonly cpu: number; readonly memory: number };
  /** Taints that keep pods away. */
  readonly hardTaints: readonly Taint[];
  readonly softTaints: readonly Taint[];
  /** Of the pods, those that must not be near some others, and those that wish anything about other pods. */
  readonly withAntiAffinity: ReadonlySet<PodInfo>;
  readonly withAffinity: ReadonlySet<PodInfo>;
}

/** A `NodeInfo` that changes with the cluster. A pod may be known before its node is. */
class NodeState implements NodeInfo {
  readonly name: string;
  node: Node = { metadata: {} };
  /** Whether the node is there. */
  exists = false;
  labels: Readonly<Record<string, string>> = {};
  allocatable: Resources = new Map();
  hardTaints: readonly Taint[] = [];
  softTaints: readonly Taint[] = [];
  readonly pods = new Map<string, PodInfo>();
  readonly requested = new Map<string, number>();
  readonly rated = { cpu: 0, memory: 0 };
  readonly withAntiAffinity = new Set<PodInfo>();
  readonly withAffinity = new Set<PodInfo>();

  constructor(name: string) {
    this.name = name;
  }

  set(node: Node): void {
    const taints = node.spec?.taints ?? [];
    this.node = node;
    this.exists = true;
    this.labels = node.metadata.labels ?? {};
    this.allocatable = allocatable(node);
    this.hardTaints = taints.filter((t) => t.effect === 'NoSchedule' || t.effect === 'NoExecute');
    this.softTaints = taints.filter((t) => t.effect === 'PreferNoSchedule');
  }

  add(info: PodInfo): void {
    this.pods.set(info.uid, info);
    this.#count(info, 1);
    if (info.requiredAntiAffinity.length > 0) this.withAntiAffinity.add(info);
    if (info.hasAffinity) this.withAffinity.add(info);
  }

  remove(info: PodInfo): void {
    if (!this.pods.delete(info.uid)) return;
    this.#count(info, -1);
    this.withAntiAffinity.delete(info);
    this.withAffinity.delete(info);
  }

  #count(info: PodInfo, sign: 1 | -1): void {
    addResources(this.requested, info.requests, sign);
    this.rated.cpu += sign * info.rated.cpu;
    this.rated.memory += sign * info.rated.memory;
  }
}

/** All nodes with their pods, kept up to date change by change, so that a decision does not start with counting everything. */
export class ClusterState {
  readonly #states = new Map<string, NodeState>();
  /** Where each pod is counted, by UID. */
  readonly #places = new Map<string, { state: NodeState; info: PodInfo; assumed: boolean }>();
  #nodes: readonly NodeInfo[] | undefined;

  /** The nodes that there are. */
  nodes(): readonly NodeInfo[] {
    this.#nodes ??= [...this.#states.values()].filter((s) => s.exists);
    return this.#nodes;
  }

  setNode(node: Node): void {
    const state = this.#state(node.metadata.name ?? '');
    if (!state.exists) this.#nodes = undefined;
    state.set(node);
  }

  removeNode(name: string): void {
    const state = this.#states.get(name);
    if (state === undefined) return;
    state.exists = false;
    this.#nodes = undefined;
    this.#forgetIfEmpty(state);
  }

  /** A pod as the apiserver has it: it counts while it has a node and has not ended. */
  setPod(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const nodeName = pod.spec?.nodeName ?? '';
    // What is assumed counts until the apiserver shows it, or it is forgotten.
    if (nodeName === '' && this.#places.get(uid)?.assumed === true) return;
    this.removePod(uid);
    if (nodeName !== '' && !isEnded(pod)) this.#place(nodeName, podInfo(pod), false);
  }

  removePod(uid: string): void {
    const place = this.#places.get(uid);
    if (place === undefined) return;
    this.#places.delete(uid);
    place.state.remove(place.info);
    this.#forgetIfEmpty(place.state);
  }

  /** Counts a pod on a node to which it is about to be bound. */
  assume(info: PodInfo, nodeName: string): void {
    this.removePod(info.uid);
    this.#place(nodeName, info, true);
  }

  /** The binding failed. */
  forget(uid: string): void {
    if (this.isAssumed(uid)) this.removePod(uid);
  }

  isAssumed(uid: string): boolean {
    return this.#places.get(uid)?.assumed === true;
  }

  #place(nodeName: string, info: PodInfo, assumed: boolean): void {
    const state = this.#state(nodeName);
    state.add(info);
    this.#places.set(info.uid, { state, info, assumed });
  }

  #state(name: string): NodeState {
    let state = this.#states.get(name);
    if (state === undefined) {
      state = new NodeState(name);
      this.#states.set(name, state);
    }
    return state;
  }

  #forgetIfEmpty(state: NodeState): void {
    if (!state.exists && state.pods.size === 0) this.#states.delete(state.name);
  }
}
