import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Event, ReplicaSet } from '../api/generated/types.ts';
import { DEPLOYMENTS } from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { controllerOf } from './claim.ts';
import {
  byImage,
  complete,
  condition,
  deployment,
  imageOf,
  newNamespace,
  setImage,
  view,
} from './testing/deployments.ts';
import { addNode, FakeKubelet, testNode } from './testing/fake-kubelet.ts';
import { observeRollout } from './testing/observe-rollout.ts';
import { TestCluster } from './testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
let cluster: TestCluster;
let kubelet: FakeKubelet;

before(async () => {
  cluster = await TestCluster.start();
  await addNode(cluster.admin, testNode('n1'));
  kubelet = await FakeKubelet.start(cluster);
  await Promise.all([cluster.runControllers(), cluster.runScheduler()]);
});

after(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

test('create: a set, its pods, and a status that says that it is complete', async () => {
  const ns = await newNamespace(cluster, 'create');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  const { deployment: live, sets, pods } = await complete(cluster, ns);
  assert.equal(sets.length, 1);
  const [set] = sets as [ReplicaSet];
  assert.match(set.metadata.name ?? '', /^web-[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  const hash = set.metadata.labels?.['pod-template-hash'];
  assert.equal(set.metadata.name, `web-${hash}`);
  assert.deepEqual(set.spec?.selector.matchLabels, { app: 'web', 'pod-template-hash': hash });
  assert.deepEqual(controllerOf(set), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: 'web',
    uid: live.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  });
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/desired-replicas'], '3');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/max-replicas'], '4');
  assert.equal(live.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.ok(pods.every((p) => controllerOf(p)?.uid === set.metadata.uid));
  assert.ok(pods.every((p) => p.metadata.name?.startsWith(`${set.metadata.name}-`)));
  await until('the conditions', async () => {
    const now = (await view(cluster, ns)).deployment;
    return (
      condition(now, 'Available') === 'True MinimumReplicasAvailable' &&
      condition(now, 'Progressing') === 'True NewReplicaSetAvailable'
    );
  });
  const progressing = (await view(cluster, ns)).deployment.status?.conditions?.find((c) => c.type === 'Progressing');
  assert.equal(progressing?.message, `ReplicaSet "${set.metadata.name}" has successfully progressed.`);
});

test('rolling update: never too many pods, never too few that are available, and the old set stays for a rollback', async (t) => {
  const ns = await newNamespace(cluster, 'rolling');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 8 }));
  await complete(cluster, ns);
  const seen = await observeRollout(t, cluster, ns);
  await setImage(cluster, ns, 'two');
  const { sets, pods, deployment: live } = await complete(cluster, ns);
  assert.ok(seen.most <= 10, `${seen.most} pods`);
  assert.ok(seen.fewestAvailable >= 6, `${seen.fewestAvailable} available`);
  assert.ok(pods.every((p) => imageOf(p) === 'two'));
  assert.equal(byImage(sets, 'one').spec?.replicas, 0);
  assert.equal(byImage(sets, 'two').metadata.annotations?.['deployment.kubernetes.io/revision'], '2');
  assert.equal(live.metadata.annotations?.['deployment.kubernetes.io/revision'], '2');
  const scaledUp = (image: string, to: number): string =>
    `Scaled up replica set ${byImage(sets, image).metadata.name} from 0 to ${to}`;
  const scaled = await until('the events', async () => {
    const { items } = await cluster.admin.list(EVENTS, { namespace: ns });
    const found = items.filter((e) => e.reason === 'ScalingReplicaSet');
    const has = (message: string): boolean => found.some((e) => e.message === message);
    return has(scaledUp('one', 8)) && has(scaledUp('two', 2)) && found;
  });
  assert.ok(
    scaled.every((e) => e.source?.component === 'deployment-controller' && e.involvedObject.kind === 'Deployment'),
  );
});

test('new pods that never become ready: the old ones stay, the deadline passes, a rollback helps', async () => {
  const ns = await newNamespace(cluster, 'broken');
  kubelet.isReady = (pod) => imageOf(pod) !== 'broken';
  const started = deployment(ns, { replicas: 4, progressDeadlineSeconds: 2 });
  started.metadata.annotations = { 'kubernetes.io/change-cause': 'first' };
  await cluster.admin.create(DEPLOYMENTS, started);
  await complete(cluster, ns);
  await setImage(cluster, ns, 'broken');
  const stuck = await until('the deadline', async () => {
    const now = await view(cluster, ns);
    return condition(now.deployment, 'Progressing') === 'False ProgressDeadlineExceeded' && now;
  });
  const message = stuck.deployment.status?.conditions?.find((c) => c.type === 'Progressing')?.message;
  assert.equal(message, `ReplicaSet "${byImage(stuck.sets, 'broken').metadata.name}" has timed out progressing.`);
  assert.equal(stuck.deployment.status?.availableReplicas, 3);
  assert.equal(condition(stuck.deployment, 'Available'), 'True MinimumReplicasAvailable');
  assert.equal(stuck.pods.filter((p) => imageOf(p) === 'one').length, 3);
  assert.equal(stuck.pods.filter((p) => imageOf(p) === 'broken').length, 2);
  // What `kubectl rollout undo` does.
  await setImage(cluster, ns, 'one');
  const back = await complete(cluster, ns);
  const set = byImage(back.sets, 'one');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  assert.equal(set.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1');
  assert.equal(set.metadata.annotations?.['kubernetes.io/change-cause'], 'first');
  assert.equal(back.deployment.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  assert.equal(back.sets.length, 2);
  await until(
    'the end',
    async () => condition((await view(cluster, ns)).deployment, 'Progressing') === 'True NewReplicaSetAvailable',
  );
});

test('paused: the template may change without a rollout, the size may not wait; resumed, it rolls out once', async () => {
  const ns = await newNamespace(cluster, 'paused');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  await complete(cluster, ns);
  const where = { namespace: ns, name: 'web' };
  await cluster.admin.patch(DEPLOYMENTS, where, 'merge', { spec: { paused: true } });
  await setImage(cluster, ns, 'two');
  await setImage(cluster, ns, 'three');
  await cluster.admin.patch(DEPLOYMENTS, where, 'merge', { spec: { replicas: 5 } });
  const paused = await until('the new size', async () => {
    const now = await view(cluster, ns);
    return now.deployment.status?.availableReplicas === 5 && now;
  });
  assert.equal(paused.sets.length, 1);
  assert.equal(condition(paused.deployment, 'Progressing'), 'Unknown DeploymentPaused');
  assert.equal(paused.deployment.status?.updatedReplicas ?? 0, 0);
  await cluster.admin.patch(DEPLOYMENTS, where, 'merge', { spec: { paused: null } });
  const { sets, pods } = await complete(cluster, ns);
  assert.deepEqual(sets.map(imageOf).toSorted(), ['one', 'three']);
  assert.ok(pods.every((p) => imageOf(p) === 'three'));
  await until(
    'the end',
    async () => condition((await view(cluster, ns)).deployment, 'Progressing') === 'True NewReplicaSetAvailable',
  );
});

test('scaled in the middle of a rollout: both sets grow in proportion', async () => {
  const ns = await newNamespace(cluster, 'midway');
  kubelet.isReady = (pod) => imageOf(pod) !== 'slow';
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 10 }));
  await complete(cluster, ns);
  await setImage(cluster, ns, 'slow');
  await until('the middle', async () => {
    const { sets } = await view(cluster, ns);
    return (
      sets.length === 2 && byImage(sets, 'slow').status?.replicas === 5 && byImage(sets, 'one').status?.replicas === 8
    );
  });
  await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', { spec: { replicas: 20 } });
  const { sets } = await until('the new sizes', async () => {
    const now = await view(cluster, ns);
    return now.sets.reduce((n, rs) => n + (rs.status?.replicas ?? 0), 0) === 25 && now;
  });
  assert.deepEqual([byImage(sets, 'one').spec?.replicas, byImage(sets, 'slow').spec?.replicas], [15, 10]);
  assert.ok(sets.every((rs) => rs.metadata.annotations?.['deployment.kubernetes.io/desired-replicas'] === '20'));
  kubelet.isReady = () => true;
  kubelet.refresh();
  await complete(cluster, ns);
});

test('scaled to zero and back, and down: no other set appears', async () => {
  const ns = await newNamespace(cluster, 'scaled');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  await complete(cluster, ns);
  for (const replicas of [0, 4, 1]) {
    await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', { spec: { replicas } });
    if (replicas > 0) await complete(cluster, ns);
    else await until('no pods', async () => (await view(cluster, ns)).pods.length === 0);
  }
  const { sets, deployment: live } = await view(cluster, ns);
  assert.equal(sets.length, 1);
  assert.equal(live.status?.replicas, 1);
  assert.equal(condition(live, 'Progressing'), 'True NewReplicaSetAvailable');
});

test('Recreate: no new pod before the last old one has stopped', async (t) => {
  const ns = await newNamespace(cluster, 'recreate');
  kubelet.isReady = () => true;
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { strategy: { type: 'Recreate' } }));
  await complete(cluster, ns);
  kubelet.hasStopped = () => false;
  const seen = await observeRollout(t, cluster, ns);
  await setImage(cluster, ns, 'two');
  await until('all old pods to end', async () => {
    const { pods } = await view(cluster, ns);
    return pods.length === 3 && pods.every((p) => p.metadata.deletionTimestamp !== undefined);
  });
  const waiting = await until('the status', async () => {
    const now = await view(cluster, ns);
    return now.deployment.status?.terminatingReplicas === 3 && now;
  });
  assert.equal(condition(waiting.deployment, 'Available'), 'False MinimumReplicasUnavailable');
  await delay(150);
  assert.equal((await view(cluster, ns)).sets.length, 1, 'the new set waits');
  kubelet.hasStopped = () => true;
  kubelet.refresh();
  await complete(cluster, ns);
  assert.equal(seen.both, false, 'old and new pods at the same time');
});
