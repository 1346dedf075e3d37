import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Event } from '../api/generated/types.ts';
import { DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS } from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { controllerOf } from './claim.ts';
import { complete, condition, deployment, imageOf, newNamespace, setImage, view } from './testing/deployments.ts';
import { addNode, FakeKubelet, testNode } from './testing/fake-kubelet.ts';
import { TestCluster } from './testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
/** Namespaces where a test had something refused on purpose. */
const refusals: string[] = [];
let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await addNode(cluster.admin, testNode('n1'));
  await FakeKubelet.start(cluster);
  await Promise.all([cluster.runControllers(), cluster.runScheduler()]);
});

after(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(
    forbidden.filter((line) => !refusals.some((ns) => line.includes(`/namespaces/${ns}/pods`))),
    [],
  );
});

test('history: only as many old sets stay as wanted, the oldest go', async () => {
  const ns = await newNamespace(cluster, 'history');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 1, revisionHistoryLimit: 2 }, 'v1'));
  await complete(cluster, ns);
  for (const image of ['v2', 'v3', 'v4', 'v5']) {
    await setImage(cluster, ns, image);
    await complete(cluster, ns);
  }
  const { sets } = await until('the cleaning', async () => {
    const now = await view(cluster, ns);
    return now.sets.length === 3 && now;
  });
  assert.deepEqual(sets.map(imageOf).toSorted(), ['v3', 'v4', 'v5']);
});

test('a set name that is taken by another template is avoided, and the collision is counted', async () => {
  const ns = await newNamespace(cluster, 'collision');
  const wanted = deployment(ns);
  // What the apiserver makes of the template decides the name: let it be made once, then occupy that name.
  await cluster.admin.create(DEPLOYMENTS, wanted);
  const { sets } = await complete(cluster, ns);
  const name = sets[0]?.metadata.name ?? '';
  await cluster.admin.delete(DEPLOYMENTS, ns, 'web', { propagationPolicy: 'Foreground' });
  await until('nothing', async () => (await cluster.admin.list(DEPLOYMENTS, { namespace: ns })).items.length === 0);
  await cluster.admin.create(REPLICA_SETS, {
    metadata: { name, namespace: ns },
    spec: {
      replicas: 0,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'x', image: 'x' }] } },
    },
  });
  await cluster.admin.create(DEPLOYMENTS, wanted);
  const after = await complete(cluster, ns);
  assert.equal(after.deployment.status?.collisionCount, 1);
  assert.deepEqual(
    after.sets.map((rs) => rs.metadata.name === name),
    after.sets.map((rs) => rs.spec?.replicas === 0),
  );
  assert.equal(after.sets.length, 2);
});

test('orphaned sets are adopted again, a relabelled one is released, and one of another owner is left alone', async () => {
  const ns = await newNamespace(cluster, 'adoption');
  const { admin } = cluster;
  await admin.create(DEPLOYMENTS, deployment(ns));
  const first = await complete(cluster, ns);
  await admin.delete(DEPLOYMENTS, ns, 'web', { propagationPolicy: 'Orphan' });
  await until('no deployment', async () => (await admin.list(DEPLOYMENTS, { namespace: ns })).items.length === 0);
  const orphan = await admin.get(REPLICA_SETS, ns, first.sets[0]?.metadata.name ?? '');
  assert.equal(orphan.metadata.ownerReferences, undefined);
  assert.equal((await admin.list(PODS, { namespace: ns })).items.length, 3);
  await admin.create(DEPLOYMENTS, deployment(ns));
  const second = await complete(cluster, ns);
  assert.deepEqual(
    second.sets.map((rs) => rs.metadata.uid),
    [orphan.metadata.uid],
  );
  assert.deepEqual(second.pods.map((p) => p.metadata.uid).toSorted(), first.pods.map((p) => p.metadata.uid).toSorted());
  const where = { namespace: ns, name: orphan.metadata.name ?? '' };
  await admin.patch(REPLICA_SETS, where, 'merge', { metadata: { labels: { app: 'other' } } });
  const released = await until('the release', async () => {
    const rs = await admin.get(REPLICA_SETS, ns, where.name);
    return controllerOf(rs) === undefined && rs;
  });
  assert.equal(released.spec?.replicas, 3);
  await until('the collision', async () => ((await view(cluster, ns)).deployment.status?.collisionCount ?? 0) === 1);
});

test('a template that admission refuses: the condition says why, and it goes on when it is allowed', async () => {
  const ns = await newNamespace(cluster, 'refused');
  const { admin } = cluster;
  await admin.patch(NAMESPACES, { namespace: '', name: ns }, 'merge', {
    metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  await admin.create(DEPLOYMENTS, deployment(ns));
  const refused = await until('the failure', async () => {
    const now = await view(cluster, ns);
    return condition(now.deployment, 'ReplicaFailure') === 'True FailedCreate' && now;
  });
  const told = refused.deployment.status?.conditions?.find((c) => c.type === 'ReplicaFailure');
  const { message = '' } = told ?? {};
  const since = refused.sets[0]?.status?.conditions?.find((c) => c.type === 'ReplicaFailure')?.lastTransitionTime;
  assert.deepEqual([told?.lastUpdateTime, told?.lastTransitionTime], [since, since]);
  assert.match(message, /^pods "web-[a-z0-9]+-[a-z0-9]+" is forbidden: violates PodSecurity "restricted/);
  const failed = await until('the event', async () => {
    const { items } = await admin.list(EVENTS, { namespace: ns });
    const found = items.filter((e) => e.reason === 'FailedCreate');
    return found.length > 0 && found;
  });
  assert.ok(failed.every((e) => e.source?.component === 'replicaset-controller'));
  assert.match(failed[0]?.message ?? '', /^(\(combined from similar events\): )?Error creating: pods "web-/);
  await admin.patch(NAMESPACES, { namespace: '', name: ns }, 'merge', {
    metadata: { labels: { 'pod-security.kubernetes.io/enforce': null } },
  });
  const { deployment: live } = await complete(cluster, ns);
  assert.equal(condition(live, 'ReplicaFailure'), undefined);
  refusals.push(ns);
});

test('minReadySeconds: ready is not yet available', async () => {
  const ns = await newNamespace(cluster, 'minready');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns, { replicas: 2, minReadySeconds: 2 }));
  const ready = await until('ready pods', async () => {
    const now = await view(cluster, ns);
    return now.deployment.status?.readyReplicas === 2 && now;
  });
  assert.equal(ready.deployment.status?.availableReplicas ?? 0, 0);
  assert.equal(condition(ready.deployment, 'Available'), 'False MinimumReplicasUnavailable');
  await complete(cluster, ns);
});

test('nothing is written when nothing changes', async () => {
  const ns = await newNamespace(cluster, 'quiet');
  await cluster.admin.create(DEPLOYMENTS, deployment(ns));
  await complete(cluster, ns);
  await until(
    'the condition',
    async () => condition((await view(cluster, ns)).deployment, 'Progressing') === 'True NewReplicaSetAvailable',
  );
  await delay(200);
  const before = cluster.api.auditLines.length;
  await cluster.admin.patch(DEPLOYMENTS, { namespace: ns, name: 'web' }, 'merge', { metadata: { labels: { x: 'y' } } });
  await delay(300);
  const writes = cluster.api.auditLines
    .slice(before)
    .filter((line) => line.includes(`/namespaces/${ns}/`) && line.includes('system:kube-') && !line.includes('/events'))
    .map((line) => (JSON.parse(line) as { requestURI: string }).requestURI);
  assert.deepEqual([...new Set(writes)], []);
});
