import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DEPLOYMENTS, PODS } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
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

test('another change in the middle of a rollout: the limits hold, and only the last change stays', async (t) => {
  const ns = await newNamespace(cluster, 'rollover');
  kubelet.isReady = (pod) => imageOf(pod) !== 'broken';
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 8 }));
  await complete(cluster, ns);
  const seen = await observeRollout(t, cluster, ns);
  await setImage(cluster, ns, 'broken');
  await until('the middle', async () => byImage((await view(cluster, ns)).sets, 'broken').status?.replicas === 4);
  await setImage(cluster, ns, 'three');
  const { sets, pods } = await complete(cluster, ns);
  assert.ok(seen.most <= 10, `${seen.most} pods`);
  assert.ok(seen.fewestAvailable >= 6, `${seen.fewestAvailable} available`);
  assert.ok(pods.every((p) => imageOf(p) === 'three'));
  assert.deepEqual(
    ['one', 'broken', 'three'].map((image) => {
      const { spec, metadata } = byImage(sets, image);
      return [spec?.replicas, metadata.annotations?.['deployment.kubernetes.io/revision']];
    }),
    [
      [0, '1'],
      [0, '2'],
      [8, '3'],
    ],
  );
});

test('back and forth as fast as somebody can type: the limits hold', async (t) => {
  const ns = await newNamespace(cluster, 'flapping');
  kubelet.isReady = () => true;
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 8 }));
  await complete(cluster, ns);
  const seen = await observeRollout(t, cluster, ns);
  for (let i = 0; i < 6; i++) {
    await setImage(cluster, ns, i % 2 === 0 ? 'two' : 'one');
    // Each time at another moment of the rollout.
    await delay(15 * i);
  }
  await complete(cluster, ns);
  assert.ok(seen.most <= 10, `${seen.most} pods`);
  assert.ok(seen.fewestAvailable >= 6, `${seen.fewestAvailable} available`);
});

test('paused from its start: nothing is made until it is resumed', async () => {
  const ns = await newNamespace(cluster, 'born-paused');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { paused: true }));
  const { deployment: paused, sets } = await until('the status', async () => {
    const now = await view(cluster, ns);
    return now.deployment.status?.observedGeneration === 1 && now;
  });
  assert.equal(condition(paused, 'Progressing'), 'Unknown DeploymentPaused');
  assert.equal(condition(paused, 'Available'), 'False MinimumReplicasUnavailable');
  assert.deepEqual(sets, []);
  await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', { spec: { paused: null } });
  await complete(cluster, ns);
});

test('no deadline: no condition that tells of progress', async () => {
  const ns = await newNamespace(cluster, 'patient');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { progressDeadlineSeconds: 2_147_483_647 }));
  const { deployment: live } = await complete(cluster, ns);
  assert.deepEqual(
    live.status?.conditions?.map((c) => c.type),
    ['Available'],
  );
});

test('a history that gets shorter is cut at once, to nothing too', async () => {
  const ns = await newNamespace(cluster, 'shorter');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 1 }, 'v1'));
  for (const image of ['v1', 'v2', 'v3']) {
    await setImage(cluster, ns, image);
    await complete(cluster, ns);
  }
  for (const limit of [1, 0]) {
    const patch = { spec: { revisionHistoryLimit: limit } };
    await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', patch);
    const { sets } = await until(`${limit} old sets`, async () => {
      const now = await view(cluster, ns);
      return now.sets.length === limit + 1 && now;
    });
    assert.deepEqual(sets.map(imageOf).toSorted(), ['v2', 'v3'].slice(1 - limit));
  }
});

test('a pod that somebody deletes in a rollout is replaced, and no old pod goes for it', async (t) => {
  const ns = await newNamespace(cluster, 'disturbed');
  kubelet.isReady = (pod) => imageOf(pod) !== 'broken';
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 4 }));
  await complete(cluster, ns);
  await setImage(cluster, ns, 'broken');
  const middle = await until('the middle', async () => {
    const now = await view(cluster, ns);
    return now.sets.length === 2 && byImage(now.sets, 'broken').status?.replicas === 2 && now;
  });
  const seen = await observeRollout(t, cluster, ns);
  const victim = middle.pods.find((p) => imageOf(p) === 'broken');
  await cluster.admin.delete(PODS, ns, victim?.metadata.name ?? '');
  await until('another pod', async () => {
    const { pods } = await view(cluster, ns);
    return pods.length === 5 && pods.every((p) => p.metadata.uid !== victim?.metadata.uid);
  });
  assert.equal(seen.fewestAvailable, 3);
  await setImage(cluster, ns, 'one');
  await complete(cluster, ns);
});
