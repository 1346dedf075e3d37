import type { NodeInfo } from './cluster-state.ts';
import type { PodInfo } from './pod-info.ts';

/** What a decision sees beside the pod. */
export interface Situation {
  readonly nodes: readonly NodeInfo[];
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
}

/** The reasons why the pod cannot run on the node, in Kubernetes' words; none when it can. */
export type NodeCheck = (node: NodeInfo) => readonly string[];

/** Kubernetes' names of the filters, by which a change in the cluster tells whom it can help. */
export type FilterName =
  | 'NodeUnschedulable'
  | 'TaintToleration'
  | 'NodeAffinity'
  | 'NodePorts'
  | 'NodeResourcesFit'
  | 'PodTopologySpread'
  | 'InterPodAffinity';

export interface Filter {
  readonly name: FilterName;
  /** Works out once for a pod what is the same for every node. undefined: it has nothing against any node. */
  prepare(info: PodInfo, situation: Situation): NodeCheck | undefined;
}

export interface Score {
  readonly name: string;
  /** As in Kubernetes' default profile. */
  readonly weight: number;
  /** How well each node suits the pod, 0 to 100, in the order of `nodes`. undefined: all are equal. */
  rate(info: PodInfo, nodes: readonly NodeInfo[], situation: Situation): readonly number[] | undefined;
}

export const MAX_SCORE = 100;
export const OK: readonly string[] = [];

/** Scales so that the largest is 100; `reverse` so that the smallest is. */
export function scaled(raw: readonly number[], reverse = false): number[] {
  const most = Math.max(0, ...raw);
  if (most === 0) return raw.map(() => (reverse ? MAX_SCORE : 0));
  return raw.map((score) => {
    const part = Math.floor((MAX_SCORE * score) / most);
    return reverse ? MAX_SCORE - part : part;
  });
}
