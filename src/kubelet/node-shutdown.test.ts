import assert from 'node:assert/strict';
import { it } from 'node:test';
import { shutdownGroups, shutdownSettings } from './node-shutdown.ts';
import { pod } from './testing/worker-fixture.ts';

it('reads the flags, and refuses what cannot be meant', () => {
  assert.deepEqual(shutdownSettings({}), { totalMs: 0, criticalMs: 0 });
  const flags = { shutdownGracePeriod: '1m30s', shutdownGracePeriodCriticalPods: '10s' };
  assert.deepEqual(shutdownSettings(flags), { totalMs: 90_000, criticalMs: 10_000 });
  for (const [wrong, why] of [
    [{ shutdownGracePeriod: '10' }, /--shutdown-grace-period: 10 is no duration/],
    [{ shutdownGracePeriod: '10ms' }, /--shutdown-grace-period: must be 0 or at least 1s/],
    [{ shutdownGracePeriodCriticalPods: '10s' }, /--shutdown-grace-period-critical-pods: cannot be greater than/],
  ] as const) {
    assert.throws(() => shutdownSettings(wrong), why);
  }
});

it('ends critical and static pods last, each group in its part of the time', () => {
  const of = (name: string, priority: number, isStatic = false) => ({ pod: pod({ priority }, { name }), isStatic });
  const pods = [of('system', 2_000_000_000), of('plain', 5), of('static', 0, true)];
  const groups = shutdownGroups(pods, { totalMs: 30_000, criticalMs: 10_000 });
  assert.deepEqual(
    groups.map(({ pods: group, graceSeconds }) => [group.map((each) => each.pod.metadata.name), graceSeconds]),
    [
      [['plain'], 20],
      [['system', 'static'], 10],
    ],
  );
});
