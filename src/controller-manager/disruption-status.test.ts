import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetSpec } from '../api/generated/types.ts';
import { budgetStatus, failedStatus, nextTimeout } from './disruption-status.ts';

const NOW = Date.UTC(2026, 10, 24, 8);

function budget(spec: PodDisruptionBudgetSpec, status: PodDisruptionBudget['status'] = undefined): PodDisruptionBudget {
  return { metadata: { name: 'web', generation: 3 }, spec, ...(status === undefined ? {} : { status }) };
}

function pods(ready: number, notReady = 0): Pod[] {
  return Array.from({ length: ready + notReady }, (_, i) => ({
    metadata: { name: `web-${i}` },
    status: { phase: 'Running' as const, conditions: [{ type: 'Ready', status: i < ready ? 'True' : 'False' }] },
  }));
}

function counts(spec: PodDisruptionBudgetSpec, ready: number, notReady: number, expected: number): number[] {
  const status = budgetStatus(budget(spec), pods(ready, notReady), expected, NOW);
  return [status.disruptionsAllowed ?? -1, status.currentHealthy ?? -1, status.desiredHealthy ?? -1];
}

test('how many may go: numbers and parts, rounded so that less goes', () => {
  assert.deepEqual(counts({ minAvailable: 2 }, 3, 0, 3), [1, 3, 2]);
  assert.deepEqual(counts({ minAvailable: 2 }, 2, 1, 3), [0, 2, 2]);
  assert.deepEqual(counts({ minAvailable: '50%' }, 3, 0, 3), [1, 3, 2]);
  assert.deepEqual(counts({ maxUnavailable: 1 }, 3, 0, 3), [1, 3, 2]);
  assert.deepEqual(counts({ maxUnavailable: 1 }, 2, 0, 3), [0, 2, 2]);
  assert.deepEqual(counts({ maxUnavailable: '30%' }, 3, 0, 3), [1, 3, 2]);
  assert.deepEqual(counts({ maxUnavailable: 5 }, 3, 0, 3), [3, 3, 0]);
  assert.deepEqual(counts({ maxUnavailable: 0 }, 3, 0, 3), [0, 3, 3]);
  assert.deepEqual(counts({ minAvailable: 0 }, 0, 0, 0), [0, 0, 0]);
});

test('an eviction that is under way counts until the pod ends, or for two minutes', () => {
  const status = (secondsAgo: number) => ({
    disruptionsAllowed: 0,
    currentHealthy: 3,
    desiredHealthy: 2,
    expectedPods: 3,
    disruptedPods: { 'web-0': new Date(NOW - secondsAgo * 1000).toISOString(), gone: new Date(NOW).toISOString() },
  });
  const one = budgetStatus(budget({ minAvailable: 2 }, status(30)), pods(3), 3, NOW);
  assert.deepEqual(Object.keys(one.disruptedPods ?? {}), ['web-0']);
  assert.deepEqual([one.disruptionsAllowed, one.currentHealthy], [0, 2]);
  assert.equal(nextTimeout(one, NOW), 90_000);
  const late = budgetStatus(budget({ minAvailable: 2 }, status(120)), pods(3), 3, NOW);
  assert.deepEqual([late.disruptedPods, late.disruptionsAllowed, late.currentHealthy], [undefined, 1, 3]);
  assert.equal(nextTimeout(late, NOW), undefined);
  const ending = pods(3).map((pod, i) =>
    i > 0 ? pod : { ...pod, metadata: { ...pod.metadata, deletionTimestamp: 'x' } },
  );
  assert.deepEqual(budgetStatus(budget({ minAvailable: 2 }, status(1)), ending, 3, NOW).disruptedPods, undefined);
});

test('the condition says why, and since when; what cannot be counted allows nothing', () => {
  const before = budgetStatus(budget({ minAvailable: 1 }), pods(2), 2, NOW);
  const condition = (status: PodDisruptionBudget['status']) => {
    const [{ status: value, reason, lastTransitionTime } = assert.fail()] = status?.conditions ?? [];
    return [value, reason, lastTransitionTime];
  };
  assert.deepEqual(condition(before), ['True', 'SufficientPods', '2026-11-24T08:00:00Z']);
  assert.equal(before.observedGeneration, 3);
  const same = budgetStatus(budget({ minAvailable: 1 }, before), pods(3), 3, NOW + 60_000);
  assert.deepEqual(condition(same), ['True', 'SufficientPods', '2026-11-24T08:00:00Z']);
  const less = budgetStatus(budget({ minAvailable: 1 }, before), pods(1), 1, NOW + 60_000);
  assert.deepEqual(condition(less), ['False', 'InsufficientPods', '2026-11-24T08:01:00Z']);
  const failed = failedStatus(budget({ minAvailable: 1 }, before), 'no idea', NOW + 60_000);
  assert.deepEqual(condition(failed), ['False', 'SyncFailed', '2026-11-24T08:01:00Z']);
  assert.deepEqual([failed.disruptionsAllowed, failed.currentHealthy, failed.observedGeneration], [0, 2, 3]);
});
