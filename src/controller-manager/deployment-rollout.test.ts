import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../api/generated/types.ts';
import {
  proportionalSteps,
  recreateSteps,
  rollingSteps,
  rolloutLimits,
  sameTemplate,
  sizeAnnotations,
  templateHash,
} from './deployment-rollout.ts';

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'a' }] } };

function deployment(replicas: number, strategy?: NonNullable<Deployment['spec']>['strategy']): Deployment {
  return {
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template, strategy },
  };
}

function set(name: string, replicas: number, available: number, annotations: Record<string, string> = {}): ReplicaSet {
  return {
    metadata: { name, creationTimestamp: `2026-01-0${name.length}T00:00:00Z`, annotations },
    spec: { replicas, selector: {}, template },
    status: { replicas, availableReplicas: available },
  };
}

test('percentages: surge is rounded up, unavailable down, and never both zero', () => {
  assert.deepEqual(rolloutLimits(deployment(3)), { maxSurge: 1, maxUnavailable: 0 });
  assert.deepEqual(rolloutLimits(deployment(10)), { maxSurge: 3, maxUnavailable: 2 });
  const none = deployment(4, { type: 'RollingUpdate', rollingUpdate: { maxSurge: '0%', maxUnavailable: '10%' } });
  assert.deepEqual(rolloutLimits(none), { maxSurge: 0, maxUnavailable: 1 });
});

test('a rolling update from start to end never leaves the limits', () => {
  const d = deployment(10);
  let fresh = set('new', 0, 0);
  let old = set('o', 10, 10);
  for (let i = 0; i < 100; i++) {
    const steps = rollingSteps(d, fresh, [old]);
    for (const { rs, replicas } of steps) {
      // New pods become available at once; pods that go take their availability with them.
      if (rs === fresh) fresh = set('new', replicas, replicas);
      else old = set('o', replicas, replicas);
    }
    const running = fresh.spec!.replicas! + old.spec!.replicas!;
    assert.ok(running <= 13, `${running} pods`);
    assert.ok(running >= 8, `${running} pods`);
    if (steps.length === 0) break;
  }
  assert.equal(fresh.spec?.replicas, 10);
  assert.equal(old.spec?.replicas, 0);
});

test('old pods wait while the new ones are not available', () => {
  const steps = rollingSteps(deployment(3), set('new', 1, 0), [set('o', 3, 3)]);
  assert.deepEqual(steps, []);
});

test('old pods that are broken go first, also when nothing new is available', () => {
  const old = set('o', 3, 1);
  const d = deployment(3, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 2 } });
  const steps = rollingSteps(d, set('new', 1, 0), [old]);
  assert.deepEqual(
    steps.map((s) => [s.rs === old, s.replicas]),
    [[true, 1]],
  );
});

test('Recreate: nothing new comes before all old pods are gone', () => {
  const d = deployment(2, { type: 'Recreate' });
  assert.deepEqual(
    recreateSteps(d, set('new', 0, 0), [set('o', 2, 2)]).map((s) => s.replicas),
    [0],
  );
  const leaving = { ...set('o', 0, 0), status: { replicas: 0, terminatingReplicas: 1 } };
  assert.deepEqual(recreateSteps(d, set('new', 0, 0), [leaving]), []);
  assert.deepEqual(
    recreateSteps(d, set('new', 0, 0), [set('o', 0, 0)]).map((s) => s.replicas),
    [2],
  );
});

test('scaling in the middle of a rollout is shared out in proportion', () => {
  const before = sizeAnnotations(deployment(10));
  const steps = proportionalSteps(deployment(20), [set('new', 5, 5, before), set('o', 8, 8, before)]);
  const sum = steps.reduce((n, s) => n + s.replicas, 0);
  assert.equal(sum, 25);
  assert.ok(steps.every((s) => s.replicas > (s.rs.spec?.replicas ?? 0)));
});

test('a template has one hash, whatever the order of its keys and whether it carries the hash label', () => {
  const other = {
    spec: { containers: [{ image: 'a', name: 'c' }] },
    metadata: { labels: { 'pod-template-hash': 'x', app: 'web' } },
  };
  assert.equal(templateHash(template, 0), templateHash(other, 0));
  assert.notEqual(templateHash(template, 0), templateHash(template, 1));
  assert.equal(sameTemplate(template, other), true);
  assert.equal(sameTemplate(template, { ...template, spec: { containers: [{ name: 'c', image: 'b' }] } }), false);
  assert.match(templateHash(template, 0), /^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
});
