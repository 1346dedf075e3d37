import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '../api/generated/types.ts';
import { rfc3339 } from '../lib/clock.ts';
import { availableIn, isPodActive, isPodReady, isPodTerminating } from './pod-state.ts';

export interface ReplicaFailure {
  readonly reason: 'FailedCreate' | 'FailedDelete';
  readonly message: string;
}

/** What is to be seen of a set and its pods. As in Kubernetes most counts of zero are not shown. */
export function replicaSetStatus(
  rs: ReplicaSet,
  owned: readonly Pod[],
  failure: ReplicaFailure | undefined,
  now: number,
): ReplicaSetStatus {
  const active = owned.filter(isPodActive);
  const minReadySeconds = rs.spec?.minReadySeconds ?? 0;
  const labels = Object.entries(rs.spec?.template?.metadata?.labels ?? {});
  const isLabelled = (pod: Pod): boolean => labels.every(([k, v]) => pod.metadata.labels?.[k] === v);
  const conditions = conditionsOf(rs.status?.conditions ?? [], failure, now);
  const shown = (name: string, count: number): object => (count === 0 ? {} : { [name]: count });
  return {
    replicas: active.length,
    ...shown('fullyLabeledReplicas', active.filter(isLabelled).length),
    ...shown('readyReplicas', active.filter(isPodReady).length),
    ...shown('availableReplicas', active.filter((pod) => availableIn(pod, minReadySeconds, now) === 0).length),
    terminatingReplicas: owned.filter(isPodTerminating).length,
    observedGeneration: rs.metadata.generation ?? 0,
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

/** A failure stays as it was first told until there is none. */
function conditionsOf(
  known: readonly ReplicaSetCondition[],
  failure: ReplicaFailure | undefined,
  now: number,
): ReplicaSetCondition[] {
  const others = known.filter((c) => c.type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const before = known.find((c) => c.type === 'ReplicaFailure' && c.reason === failure.reason);
  return [
    ...others,
    before ?? { type: 'ReplicaFailure', status: 'True', ...failure, lastTransitionTime: rfc3339(now) },
  ];
}
