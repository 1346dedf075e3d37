import type { Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '../api/generated/types.ts';
import { rfc3339 } from '../lib/clock.ts';
import { isPodReady } from './pod-state.ts';
import { scaled } from './scaled.ts';

/** How long an eviction counts as under way whose pod shows no sign of it: then something else has stopped it. */
const EVICTION_TIMEOUT_MS = 120_000;

/** Whether the budget speaks of a part of what there should be, and not of a number of what there is. */
export function needsScale({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';
}

/** How many of `pods` may be evicted now. `expected`: how many there should be. */
export function budgetStatus(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expected: number,
  now: number,
): PodDisruptionBudgetStatus {
  const disruptedPods = underWay(budget.status?.disruptedPods ?? {}, pods, now);
  const currentHealthy = pods.filter(
    (pod) =>
      pod.metadata.deletionTimestamp === undefined && !disruptedPods.has(pod.metadata.name ?? '') && isPodReady(pod),
  ).length;
  const desiredHealthy = desired(budget, expected);
  const disruptionsAllowed = expected <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const reason = disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods';
  return {
    observedGeneration: budget.metadata.generation,
    ...(disruptedPods.size === 0 ? {} : { disruptedPods: Object.fromEntries(disruptedPods) }),
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods: expected,
    conditions: conditionsWith(budget, disruptionsAllowed > 0, reason, '', now),
  };
}

/** It could not be counted. */
export function failedStatus(budget: PodDisruptionBudget, message: string, now: number): PodDisruptionBudgetStatus {
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0, disruptedPods } = budget.status ?? {};
  return {
    observedGeneration: budget.metadata.generation,
    ...(disruptedPods === undefined ? {} : { disruptedPods }),
    disruptionsAllowed: 0,
    currentHealthy,
    desiredHealthy,
    expectedPods,
    conditions: conditionsWith(budget, false, 'SyncFailed', message, now),
  };
}

/** Ms until an eviction that is under way is given up; undefined when none is. */
export function nextTimeout({ disruptedPods = {} }: PodDisruptionBudgetStatus, now: number): number | undefined {
  const ends = Object.values(disruptedPods).map((time) => Date.parse(String(time)) + EVICTION_TIMEOUT_MS - now);
  return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends));
}

function desired({ spec }: PodDisruptionBudget, expected: number): number {
  if (spec?.maxUnavailable !== undefined) {
    return Math.max(0, expected - scaled(spec.maxUnavailable, expected, Math.ceil));
  }
  return scaled(spec?.minAvailable ?? 0, expected, Math.ceil);
}

/** Evictions that were allowed, of pods that still look as if nothing had happened. */
function underWay(
  evicted: Readonly<Record<string, unknown>>,
  pods: readonly Pod[],
  now: number,
): ReadonlyMap<string, string> {
  const alive = new Set(
    pods.filter((pod) => pod.metadata.deletionTimestamp === undefined).map((pod) => pod.metadata.name ?? ''),
  );
  const isUnderWay = ([name, time]: readonly [string, string]): boolean =>
    alive.has(name) && Date.parse(time) + EVICTION_TIMEOUT_MS > now;
  return new Map(
    Object.entries(evicted)
      .map(([name, time]) => [name, String(time)] as const)
      .filter(isUnderWay),
  );
}

function conditionsWith(
  { metadata, status }: PodDisruptionBudget,
  allowed: boolean,
  reason: string,
  message: string,
  now: number,
): NonNullable<PodDisruptionBudgetStatus['conditions']> {
  const type = 'DisruptionAllowed';
  const known = status?.conditions ?? [];
  const before = known.find((condition) => condition.type === type);
  const text = allowed ? 'True' : 'False';
  const since = before?.status === text ? before.lastTransitionTime : rfc3339(now);
  const condition = {
    type,
    status: text as 'True' | 'False',
    reason,
    message,
    lastTransitionTime: since,
    observedGeneration: metadata.generation,
  };
  return [...known.filter((one) => one.type !== type), condition];
}
