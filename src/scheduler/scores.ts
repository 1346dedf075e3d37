import type { NodeInfo } from './cluster-state.ts';
import { MAX_SCORE, type Score, scaled } from './framework.ts';
import { interPodAffinityScore } from './inter-pod-affinity.ts';
import { matchesTerm } from './node-affinity.ts';
import { tolerates } from './tolerations.ts';
import { topologySpreadScore } from './topology-spread.ts';

/** Prefers the node with the most room left, over CPU and memory. */
const leastAllocated: Score = {
  name: 'NodeResourcesFit',
  weight: 1,
  rate: ({ rated }, nodes) =>
    nodes.map((node) => (room(node, 'cpu', rated.cpu) + room(node, 'memory', rated.memory)) / 2),
};

function room(node: NodeInfo, resource: 'cpu' | 'memory', wanted: number): number {
  const all = node.allocatable.get(resource) ?? 0;
  if (all <= 0) return 0;
  return Math.max(0, Math.floor(((all - node.rated[resource] - wanted) * MAX_SCORE) / all));
}

/** Prefers nodes of which CPU and memory are used to the same part. */
const balancedAllocation: Score = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  rate({ requests }, nodes) {
    if (!requests.has('cpu') && !requests.has('memory')) return undefined;
    const part = (node: NodeInfo, resource: string): number => {
      const all = node.allocatable.get(resource) ?? 0;
      const used = (node.requested.get(resource) ?? 0) + (requests.get(resource) ?? 0);
      return all <= 0 ? 1 : Math.min(1, used / all);
    };
    // The standard deviation of two values is half of their distance.
    return nodes.map((node) => Math.floor((1 - Math.abs(part(node, 'cpu') - part(node, 'memory')) / 2) * MAX_SCORE));
  },
};

const preferredNodeAffinity: Score = {
  name: 'NodeAffinity',
  weight: 2,
  rate({ pod }, nodes) {
    const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    if (terms.length === 0) return undefined;
    return scaled(
      nodes.map(({ node }) => terms.reduce((sum, t) => sum + (matchesTerm(t.preference, node) ? t.weight : 0), 0)),
    );
  },
};

/** Prefers nodes with few soft taints that the pod does not tolerate. */
const taintToleration: Score = {
  name: 'TaintToleration',
  weight: 3,
  rate({ pod }, nodes) {
    if (nodes.every((node) => node.softTaints.length === 0)) return undefined;
    const tolerations = pod.spec?.tolerations ?? [];
    return scaled(
      nodes.map((node) => node.softTaints.filter((t) => !tolerates(tolerations, t)).length),
      true,
    );
  },
};

export const SCORES: readonly Score[] = [
  leastAllocated,
  balancedAllocation,
  preferredNodeAffinity,
  taintToleration,
  interPodAffinityScore,
  topologySpreadScore,
];
