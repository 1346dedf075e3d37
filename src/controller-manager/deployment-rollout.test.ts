import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../api/generated/types.ts';
import { maxRevision, rolledOutAnnotations, sizeAnnotations } from './deployment-annotations.ts';
import {
  isScaled,
  newSetReplicas,
  recreateSteps,
  rollingSteps,
  rolloutLimits,
  sameTemplate,
  scalingSteps,
  setName,
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

function sizes(steps: readonly { rs: ReplicaSet; replicas: number }[]): Record<string, number> {
  return Object.fromEntries(steps.map(({ rs, replicas }) => [rs.metadata.name ?? '', replicas]));
}

/** What a set reports after it was sized anew: `seen` says whether it has noticed. */
function resized(name: string, replicas: number, reported: { pods: number; available: number; seen: boolean }) {
  const rs = set(name, replicas, reported.available);
  const status = { ...rs.status, replicas: reported.pods, observedGeneration: reported.seen ? 2 : 1 };
  return { ...rs, metadata: { ...rs.metadata, generation: 2 }, status };
}

test('an old set that still reports the pods that it is about to lose does not lose more of them', () => {
  const old = resized('o', 6, { pods: 8, available: 8, seen: true });
  assert.deepEqual(sizes(rollingSteps(deployment(8), set('new', 2, 2), [old])), { o: 4 });
  assert.deepEqual(rollingSteps(deployment(8), set('new', 4, 0), [old]), []);
  const both = [old, resized('oo', 0, { pods: 2, available: 2, seen: true })];
  assert.deepEqual(rollingSteps(deployment(8), set('new', 4, 0), both), []);
});

test('what is unavailable goes first, also of a set that is about to lose some', () => {
  const old = resized('o', 6, { pods: 8, available: 5, seen: true });
  assert.deepEqual(sizes(rollingSteps(deployment(8), set('new', 2, 2), [old])), { o: 4 });
});

test('no new pod before there is room for it: pods that are about to go still stand', () => {
  const old = resized('o', 6, { pods: 8, available: 8, seen: true });
  assert.equal(newSetReplicas(deployment(8), set('new', 2, 2), [old]), 2);
  assert.equal(newSetReplicas(deployment(8), set('new', 2, 2), [set('o', 6, 6)]), 4);
});

test('no old pod goes before the sets have seen their sizes: what comes back may have lost the pods that it reports', () => {
  // A rollback: three of it were available, it was shrunk to none, and is to have two again.
  const unseen = resized('new', 2, { pods: 3, available: 3, seen: false });
  assert.deepEqual(rollingSteps(deployment(8), unseen, [set('o', 8, 8)]), []);
  const seen = resized('new', 2, { pods: 2, available: 2, seen: true });
  assert.deepEqual(sizes(rollingSteps(deployment(8), seen, [set('o', 8, 8)])), { o: 4 });
});

test('Recreate: the old ones go to zero first, then the new one gets all', () => {
  const d = deployment(2, { type: 'Recreate' });
  assert.deepEqual(rolloutLimits(d), { maxSurge: 0, maxUnavailable: 0 });
  assert.deepEqual(sizes(recreateSteps(d, set('new', 0, 0), [set('o', 2, 2), set('oo', 1, 0)])), { o: 0, oo: 0 });
  assert.deepEqual(sizes(recreateSteps(d, set('new', 0, 0), [set('o', 0, 0)])), { new: 2 });
  assert.deepEqual(recreateSteps(d, set('new', 2, 0), [set('o', 0, 0)]), []);
  assert.deepEqual(recreateSteps(d, undefined, []), []);
  assert.equal(newSetReplicas(d, set('new', 0, 0), []), 2);
});

test('the new set starts with what maxSurge leaves room for', () => {
  assert.equal(newSetReplicas(deployment(10), set('new', 0, 0), []), 10);
  assert.equal(newSetReplicas(deployment(10), set('new', 0, 0), [set('o', 10, 10)]), 3);
  assert.equal(newSetReplicas(deployment(10), set('new', 0, 0), [set('o', 20, 20)]), 0);
});

test('a new set that is too large shrinks before anything else', () => {
  assert.deepEqual(sizes(rollingSteps(deployment(3), set('new', 5, 5), [set('o', 3, 3)])), { new: 3 });
});

test('of several old sets the oldest shrinks first', () => {
  const d = deployment(10, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 4 } });
  assert.deepEqual(sizes(rollingSteps(d, set('new', 0, 0), [set('oo', 5, 5), set('o', 5, 5)])), { o: 1 });
});

test('scaling in the middle of a rollout is shared out in proportion, the rest goes to the largest', () => {
  const before = sizeAnnotations(10, 3);
  const [fresh, old] = [set('new', 5, 5, before), set('o', 8, 8, before)];
  assert.equal(isScaled(deployment(10), [fresh, old]), false);
  assert.equal(isScaled(deployment(20), [fresh, old]), true);
  assert.deepEqual(sizes(scalingSteps(deployment(20), fresh, [old])), { o: 15, new: 10 });
  assert.deepEqual(sizes(scalingSteps(deployment(5), fresh, [old])), { o: 4, new: 3 });
  assert.deepEqual(sizes(scalingSteps(deployment(0), fresh, [old])), { o: 0, new: 0 });
  const three = [set('o', 5, 5, before), set('oo', 4, 4, before)];
  assert.deepEqual(sizes(scalingSteps(deployment(11), set('new', 4, 4, before), three)), { o: 6, new: 4, oo: 4 });
});

test('scaling without a rollout: the only set that has pods, or the newest, takes all', () => {
  const before = sizeAnnotations(3, 1);
  assert.deepEqual(sizes(scalingSteps(deployment(7), set('new', 3, 3, before), [set('o', 0, 0, before)])), { new: 7 });
  assert.deepEqual(sizes(scalingSteps(deployment(7), undefined, [set('o', 3, 3, before)])), { o: 7 });
  assert.deepEqual(sizes(scalingSteps(deployment(7), set('new', 0, 0), [set('o', 0, 0)])), { new: 7 });
  assert.deepEqual(sizes(scalingSteps(deployment(7), undefined, [set('oo', 0, 0), set('o', 0, 0)])), { oo: 7 });
  assert.deepEqual(scalingSteps(deployment(7), undefined, []), []);
});

test('a new set that is complete leaves nothing to the old ones', () => {
  const now = sizeAnnotations(3, 1);
  assert.deepEqual(sizes(scalingSteps(deployment(3), set('new', 3, 3, now), [set('o', 2, 2, now)])), { new: 3, o: 0 });
});

test('revisions: a set that comes back gets the next number and remembers the last one', () => {
  const d: Deployment = {
    metadata: {
      name: 'web',
      annotations: {
        'kubernetes.io/change-cause': 'why',
        'kubectl.kubernetes.io/last-applied-configuration': '{}',
        'deployment.kubernetes.io/revision': '9',
      },
    },
  };
  const old = set('o', 0, 0, { 'deployment.kubernetes.io/revision': '7' });
  assert.equal(maxRevision([old, set('p', 0, 0, { 'deployment.kubernetes.io/revision': 'x' })]), 7);
  assert.deepEqual(rolledOutAnnotations(d, undefined, 8), {
    'kubernetes.io/change-cause': 'why',
    'deployment.kubernetes.io/revision': '8',
  });
  const back = set('b', 0, 0, {
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
  assert.deepEqual(rolledOutAnnotations(d, back, 8), {
    'kubernetes.io/change-cause': 'why',
    'deployment.kubernetes.io/revision': '8',
    'deployment.kubernetes.io/revision-history': '1,3',
  });
  const present = set('b', 0, 0, { 'deployment.kubernetes.io/revision': '8' });
  assert.equal(rolledOutAnnotations(d, present, 8)['deployment.kubernetes.io/revision-history'], undefined);
  const long = set('b', 0, 0, {
    'deployment.kubernetes.io/revision': '1000',
    'deployment.kubernetes.io/revision-history': Array.from({ length: 600 }, (_, i) => String(i)).join(','),
  });
  const history = rolledOutAnnotations(d, long, 1001)['deployment.kubernetes.io/revision-history'] ?? '';
  assert.ok(history.length <= 2000);
  assert.match(history, /,599,1000$/);
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
  const elsewhere = { ...template.spec, nodeSelector: { 'pod-template-hash': 'x' } };
  assert.equal(sameTemplate(template, { ...template, spec: elsewhere }), false);
  assert.match(templateHash(template, 0), /^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
});

test('the name of a set fits, however long that of the deployment is', () => {
  assert.equal(setName('web', 'bcdfghjklm'), 'web-bcdfghjklm');
  assert.equal(setName('a'.repeat(242), 'bcdfghjklm'), `${'a'.repeat(242)}-bcdfghjklm`);
  assert.equal(setName('a'.repeat(253), 'bcdfghjklm'), `${'a'.repeat(242)}-bcdfghjklm`);
});
