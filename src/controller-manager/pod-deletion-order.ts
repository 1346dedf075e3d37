import type { Pod } from '../api/generated/types.ts';
import { isPodReady, readyCondition } from './pod-state.ts';

const COST_ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost';
const PHASES = ['Pending', 'Unknown', 'Running'];

/**
 * Kubernetes' order in which surplus pods go: without a node, not running, not ready, cheap, on a node with many of their
 * kind, ready for a short time, with many restarts, young. Times count by their order of magnitude only, so that it is not
 * always the youngest that goes. `related`: all pods of the same kind, those of other sets of the same owner included.
 */
export function byDeletionOrder(related: readonly Pod[], now: number): (a: Pod, b: Pod) => number {
  const crowd = new Map<string, number>();
  for (const pod of related) crowd.set(nodeOf(pod), (crowd.get(nodeOf(pod)) ?? 0) + 1);
  const ranks = new Map<Pod, readonly number[]>();
  const rankOf = (pod: Pod): readonly number[] => {
    let rank = ranks.get(pod);
    if (rank === undefined) {
      rank = [
        nodeOf(pod) === '' ? 0 : 1,
        PHASES.indexOf(pod.status?.phase ?? 'Unknown'),
        isPodReady(pod) ? 1 : 0,
        costOf(pod),
        nodeOf(pod) === '' ? 0 : -(crowd.get(nodeOf(pod)) ?? 0),
        isPodReady(pod) ? magnitude(readyCondition(pod)?.lastTransitionTime, now) : 0,
        -Math.max(0, ...(pod.status?.containerStatuses ?? []).map((s) => s.restartCount)),
        magnitude(pod.metadata.creationTimestamp, now),
      ];
      ranks.set(pod, rank);
    }
    return rank;
  };
  return (a, b) => {
    const [x, y] = [rankOf(a), rankOf(b)];
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
    return (a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1;
  };
}

function nodeOf(pod: Pod): string {
  return pod.spec?.nodeName ?? '';
}

/** What is no 32-bit number is refused on admission or counts as 0. */
function costOf(pod: Pod): number {
  const text = pod.metadata.annotations?.[COST_ANNOTATION] ?? '0';
  return /^(0|-?[1-9]\d{0,9})$/.test(text) ? Number(text) : 0;
}

/** The logarithm of an age: a time that is missing, or lies in the future, counts as no age. */
function magnitude(time: string | undefined, now: number): number {
  const age = now - Date.parse(time ?? '');
  return age >= 1 ? Math.floor(Math.log2(age)) : -1;
}
