import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
  ReplicaSetCondition,
} from '../api/generated/types.ts';
import { rfc3339 } from '../lib/clock.ts';
import { rolloutLimits, wantedReplicas } from './deployment-rollout.ts';

/** "No deadline", as Kubernetes has it. */
const NO_DEADLINE = 2 ** 31 - 1;

export type ConditionType = 'Available' | 'Progressing' | 'ReplicaFailure';

/** A status that is being worked out: the conditions by Kubernetes' rules of when a time moves. */
export class StatusDraft {
  readonly #now: string;
  conditions: readonly DeploymentCondition[];

  constructor(known: readonly DeploymentCondition[], now: number) {
    this.conditions = known;
    this.#now = rfc3339(now);
  }

  find(type: ConditionType): DeploymentCondition | undefined {
    return this.conditions.find((c) => c.type === type);
  }

  remove(type: ConditionType): void {
    this.conditions = this.conditions.filter((c) => c.type !== type);
  }

  /** A condition of the same status and reason stays as it is, unless it is `fresh`: that is how progress moves its time. */
  set(type: ConditionType, status: 'True' | 'False' | 'Unknown', reason: string, message: string, fresh = false): void {
    this.#put({ type, status, reason, message, lastUpdateTime: this.#now, lastTransitionTime: this.#now }, fresh);
  }

  /** A set's condition becomes the deployment's, with the time that it has there. */
  adopt({ type, status, reason, message, lastTransitionTime }: ReplicaSetCondition): void {
    const lastUpdateTime = lastTransitionTime;
    this.#put({ type, status, reason, message, lastUpdateTime, lastTransitionTime }, false);
  }

  #put(condition: DeploymentCondition, fresh: boolean): void {
    const known = this.conditions.find((c) => c.type === condition.type);
    const sameStatus = known?.status === condition.status;
    if (sameStatus && known.reason === condition.reason && !fresh) return;
    const lastTransitionTime = sameStatus ? known.lastTransitionTime : condition.lastTransitionTime;
    this.conditions = [...this.conditions.filter((c) => c !== known), { ...condition, lastTransitionTime }];
  }
}

/** Ms that a rollout may take without progress; undefined when it may take any time. */
export function progressDeadline(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === NO_DEADLINE ? undefined : seconds * 1000;
}

/** Counts what the sets report, and says whether enough is available. */
export function countedStatus(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  sets: readonly ReplicaSet[],
  draft: StatusDraft,
): DeploymentStatus {
  const sum = (of: (rs: ReplicaSet) => number | undefined): number => sets.reduce((n, rs) => n + (of(rs) ?? 0), 0);
  const availableReplicas = sum((rs) => rs.status?.availableReplicas);
  if (availableReplicas >= wantedReplicas(deployment) - rolloutLimits(deployment).maxUnavailable) {
    draft.set('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.');
  } else {
    draft.set('Available', 'False', 'MinimumReplicasUnavailable', 'Deployment does not have minimum availability.');
  }
  const { collisionCount } = deployment.status ?? {};
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: sum((rs) => rs.status?.replicas),
    updatedReplicas: fresh?.status?.replicas ?? 0,
    readyReplicas: sum((rs) => rs.status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum((rs) => rs.spec?.replicas) - availableReplicas),
    terminatingReplicas: sum((rs) => rs.status?.terminatingReplicas),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
}

/** All replicas are of the new template and available, and the status speaks of the present spec. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = wantedReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

/**
 * `Progressing`, the condition by which `kubectl rollout status` tells that it is over or has failed. A rollout that was
 * complete once stays so, whatever becomes of its pods. The answer is how many ms from now to look again.
 */
export function judgeProgress(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  status: DeploymentStatus,
  draft: StatusDraft,
  now: number,
): number | undefined {
  const deadline = progressDeadline(deployment);
  if (deadline === undefined) {
    draft.remove('Progressing');
    return undefined;
  }
  const known = draft.find('Progressing');
  if ((status.replicas ?? 0) === (status.updatedReplicas ?? 0) && known?.reason === 'NewReplicaSetAvailable') {
    return undefined;
  }
  const what = fresh === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${fresh.metadata.name}"`;
  if (isComplete(deployment, status)) {
    draft.set('Progressing', 'True', 'NewReplicaSetAvailable', `${what} has successfully progressed.`);
    return undefined;
  }
  if (hasMoved(deployment.status ?? {}, status)) {
    draft.set('Progressing', 'True', 'ReplicaSetUpdated', `${what} is progressing.`, true);
    return deadline;
  }
  if (known === undefined || known.reason === 'ProgressDeadlineExceeded') return undefined;
  if (known.reason === 'NewReplicaSetAvailable') return undefined;
  const left = Date.parse(known.lastUpdateTime ?? '') + deadline - now;
  if (left >= 0) return left + 1;
  draft.set('Progressing', 'False', 'ProgressDeadlineExceeded', `${what} has timed out progressing.`);
  return undefined;
}

/** More new pods, fewer old ones, or more that are ready or available. */
function hasMoved(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const grew = (of: keyof DeploymentStatus & ('updatedReplicas' | 'readyReplicas' | 'availableReplicas')): boolean =>
    (after[of] ?? 0) > (before[of] ?? 0);
  const oldPods = (s: DeploymentStatus): number => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    oldPods(after) < oldPods(before) || grew('updatedReplicas') || grew('readyReplicas') || grew('availableReplicas')
  );
}

/** A set that cannot create its pods says why; of several the new one counts first. */
export function judgeFailures(fresh: ReplicaSet | undefined, sets: readonly ReplicaSet[], draft: StatusDraft): void {
  const ordered = fresh === undefined ? sets : [fresh, ...sets];
  const failure = ordered.flatMap((rs) => rs.status?.conditions ?? []).find((c) => c.type === 'ReplicaFailure');
  if (failure === undefined) draft.remove('ReplicaFailure');
  else draft.adopt(failure);
}
