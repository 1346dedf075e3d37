import type { Pod } from '../api/generated/types.ts';
import { domainHas, matchesTerm } from './affinity.ts';
import { type Situation, spreadCounts, tolerates } from './filters.ts';
import type { NodeInfo } from './node-info.ts';
import { allocatable, podRequests } from './pod-requests.ts';

/** How well a node suits a pod: higher is better, 0 to 100. */
export type Score = (pod: Pod, info: NodeInfo, situation: Situation) => number;

/** Prefers the node with the most room left: Kubernetes' LeastAllocated over CPU and memory. */
const leastAllocated: Score = (pod, info) => {
  const room = allocatable(info.node);
  const wanted = podRequests(pod);
  const parts = ['cpu', 'memory'].map((name) => {
    const total = room.get(name) ?? 0;
    if (total <= 0) return 0;
    const used = (info.requested.get(name) ?? 0) + (wanted.get(name) ?? 0);
    return Math.max(0, ((total - used) / total) * 100);
  });
  return (parts[0]! + parts[1]!) / 2;
};

const preferredNodeAffinity: Score = (pod, info) => {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const total = terms.reduce((sum, t) => sum + t.weight, 0);
  if (total === 0) return 0;
  const got = terms.reduce((sum, t) => sum + (matchesTerm(t.preference, info.node) ? t.weight : 0), 0);
  return (got / total) * 100;
};

const softTaints: Score = (pod, info) => {
  const soft = (info.node.spec?.taints ?? []).filter(
    (t) => t.effect === 'PreferNoSchedule' && !tolerates(pod.spec?.tolerations ?? [], t),
  );
  return 100 / (1 + soft.length);
};

const preferredPodAffinity: Score = (pod, info, { all, namespaceLabels }) => {
  const wanted = pod.spec?.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const unwanted = pod.spec?.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const weigh = (terms: typeof wanted): number =>
    terms.reduce(
      (sum, t) => sum + (domainHas(t.podAffinityTerm, pod, info.node, all, namespaceLabels) ? t.weight : 0),
      0,
    );
  return Math.max(0, Math.min(100, 50 + (weigh(wanted) - weigh(unwanted)) / 2));
};

/** Prefers the domain that has the fewest of the pod's kind. */
const softSpread: Score = (pod, info, { all }) => {
  const constraints = pod.spec?.topologySpreadConstraints ?? [];
  if (constraints.length === 0) return 0;
  const parts = constraints.map((c) => {
    const counts = spreadCounts(c, pod, all);
    const most = Math.max(1, ...counts.values());
    const domain = info.node.metadata?.labels?.[c.topologyKey];
    return domain === undefined ? 0 : 100 - ((counts.get(domain) ?? 0) / most) * 100;
  });
  return parts.reduce((a, b) => a + b, 0) / parts.length;
};

/** With Kubernetes' default weights. */
const WEIGHTED: readonly (readonly [Score, number])[] = [
  [leastAllocated, 1],
  [preferredNodeAffinity, 2],
  [softTaints, 3],
  [preferredPodAffinity, 2],
  [softSpread, 2],
];

export function score(pod: Pod, info: NodeInfo, situation: Situation): number {
  return WEIGHTED.reduce((sum, [rate, weight]) => sum + weight * rate(pod, info, situation), 0);
}
