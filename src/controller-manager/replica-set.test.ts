import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Event, Pod, ReplicaSet } from '../api/generated/types.ts';
import { NAMESPACES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { controllerOf } from './claim.ts';
import { byDeletionOrder } from './pod-deletion-order.ts';
import { ReplicaSetController } from './replica-set.ts';
import { TestCluster } from './testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.runControllers(ReplicaSetController);
});

after(async () => {
  const forbidden = cluster.forbidden().filter((line) => !/\/namespaces\/(refused|going)\/pods/.test(line));
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

async function newNamespace(name: string, labels: Record<string, string> = {}): Promise<string> {
  await cluster.admin.create(NAMESPACES, { metadata: { name, labels } });
  await cluster.admin.create(SERVICE_ACCOUNTS, { metadata: { name: 'default', namespace: name } });
  return name;
}

function replicaSet(namespace: string, replicas: number, more: Partial<ReplicaSet['spec']> = {}): ReplicaSet {
  return {
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'one' }] } },
      ...more,
    },
  };
}

function pod(namespace: string, name: string, more: Partial<Pod> = {}): Pod {
  return {
    ...more,
    metadata: { name, namespace, labels: { app: 'web' }, ...more.metadata },
    spec: { containers: [{ name: 'main', image: 'one' }], ...more.spec },
  };
}

async function podsOf(namespace: string): Promise<readonly Pod[]> {
  return (await cluster.admin.list(PODS, { namespace })).items;
}

function scale(namespace: string, replicas: number): Promise<ReplicaSet> {
  return cluster.admin.patch(REPLICA_SETS, { namespace, name: 'web' }, 'merge', { spec: { replicas } });
}

async function settled(namespace: string, count: number) {
  return until(`${count} pods`, async () => {
    const [rs, pods] = await Promise.all([cluster.admin.get(REPLICA_SETS, namespace, 'web'), podsOf(namespace)]);
    return pods.length === count && rs.status?.replicas === count && { rs, pods };
  });
}

test('exactly as many pods as wanted, never one more on the way', async () => {
  const ns = await newNamespace('exact');
  await cluster.admin.create(REPLICA_SETS, replicaSet(ns, 40));
  const { rs, pods } = await settled(ns, 40);
  await delay(100);
  assert.equal((await podsOf(ns)).length, 40);
  assert.equal(new Set(pods.map((p) => p.metadata.uid)).size, 40);
  assert.deepEqual(pods[0]?.metadata.ownerReferences, [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web',
      uid: rs.metadata.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  assert.deepEqual(rs.status, {
    replicas: 40,
    fullyLabeledReplicas: 40,
    terminatingReplicas: 0,
    observedGeneration: 1,
  });
  await scale(ns, 3);
  await settled(ns, 3);
  const creations = cluster.api.auditLines.filter(
    (l) => l.includes(`/namespaces/${ns}/pods"`) && l.includes('"create"'),
  );
  assert.equal(new Set(creations.map((l) => (JSON.parse(l) as { auditID: string }).auditID)).size, 40);
});

test('a pod that is deleted, or fails, is replaced; a failed one is counted no more', async () => {
  const ns = await newNamespace('replaced');
  await cluster.admin.create(REPLICA_SETS, replicaSet(ns, 2));
  const { pods } = await settled(ns, 2);
  await cluster.admin.delete(PODS, ns, pods[0]?.metadata.name ?? '');
  const where = { namespace: ns, name: pods[1]?.metadata.name ?? '', subresource: 'status' };
  await cluster.admin.patch(PODS, where, 'merge', { status: { phase: 'Failed' } });
  await until('two others', async () => {
    const now = await podsOf(ns);
    return now.length === 3 && now.filter((p) => p.status?.phase === 'Pending').length === 2;
  });
  await until('the count', async () => {
    const { status } = await cluster.admin.get(REPLICA_SETS, ns, 'web');
    return status?.replicas === 2 && status.terminatingReplicas === 0;
  });
});

test('adoption: a pod of nobody that is selected counts; one that is too many goes; one of another owner stays', async () => {
  const ns = await newNamespace('adopted');
  const own = await cluster.admin.create(PODS, pod(ns, 'single'));
  const other = { apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'another', controller: true };
  await cluster.admin.create(PODS, pod(ns, 'foreign', { metadata: { ownerReferences: [other] } }));
  await cluster.admin.create(REPLICA_SETS, replicaSet(ns, 2));
  const adopted = await until('adoption', async () => {
    const live = await cluster.admin.get(PODS, ns, 'single');
    return controllerOf(live) !== undefined && live;
  });
  assert.equal(adopted.metadata.uid, own.metadata.uid);
  assert.equal(controllerOf(adopted)?.kind, 'ReplicaSet');
  await until('one more', async () => (await podsOf(ns)).length === 3);
  await cluster.admin.create(PODS, pod(ns, 'late'));
  await until('the surplus one to go', async () => (await podsOf(ns)).length === 3);
  assert.equal(controllerOf(await cluster.admin.get(PODS, ns, 'foreign'))?.uid, 'another');
});

test('release: a pod whose labels match no more is let go and replaced', async () => {
  const ns = await newNamespace('released');
  await cluster.admin.create(REPLICA_SETS, replicaSet(ns, 1));
  const { pods } = await settled(ns, 1);
  const name = pods[0]?.metadata.name ?? '';
  await cluster.admin.patch(PODS, { namespace: ns, name }, 'merge', { metadata: { labels: { app: 'debug' } } });
  await until('a replacement', async () => (await podsOf(ns)).length === 2);
  await until('the release', async () => controllerOf(await cluster.admin.get(PODS, ns, name)) === undefined);
});

test('a set that is being deleted neither creates nor adopts', async () => {
  const ns = await newNamespace('ending');
  const ending = replicaSet(ns, 0);
  ending.metadata.finalizers = ['example.com/hold'];
  await cluster.admin.create(REPLICA_SETS, ending);
  await cluster.admin.delete(REPLICA_SETS, ns, 'web');
  await scale(ns, 3);
  await cluster.admin.create(PODS, pod(ns, 'single'));
  await delay(150);
  const pods = await podsOf(ns);
  assert.deepEqual(
    pods.map((p) => [p.metadata.name, controllerOf(p)]),
    [['single', undefined]],
  );
  await cluster.admin.patch(REPLICA_SETS, { namespace: ns, name: 'web' }, 'merge', { metadata: { finalizers: null } });
});

test('pods that are refused: tried in small numbers, told once as a condition, and made when they are allowed', async () => {
  const ns = await newNamespace('refused', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  await cluster.admin.create(REPLICA_SETS, replicaSet(ns, 100));
  const failed = await until('the condition', async () => {
    const rs = await cluster.admin.get(REPLICA_SETS, ns, 'web');
    return rs.status?.conditions?.find((c) => c.type === 'ReplicaFailure');
  });
  assert.equal(failed.reason, 'FailedCreate');
  assert.match(failed.message ?? '', /is forbidden: violates PodSecurity/);
  await delay(300);
  const refused = cluster.forbidden().filter((line) => line.includes(`/namespaces/${ns}/pods`));
  assert.ok(refused.length < 12, `${refused.length} attempts`);
  const events = await cluster.admin.list(EVENTS, { namespace: ns });
  assert.ok(events.items.every((e) => e.reason === 'FailedCreate' && e.source?.component === 'replicaset-controller'));
  const labels = { 'pod-security.kubernetes.io/enforce': null };
  await cluster.admin.patch(NAMESPACES, { namespace: '', name: ns }, 'merge', { metadata: { labels } });
  const { rs } = await settled(ns, 100);
  assert.equal(rs.status?.conditions, undefined);
});

test('a namespace that is going: no failure is told', async () => {
  const ns = await newNamespace('going');
  await cluster.admin.create(REPLICA_SETS, replicaSet(ns, 0));
  await until(
    'the status',
    async () => (await cluster.admin.get(REPLICA_SETS, ns, 'web')).status?.observedGeneration === 1,
  );
  await cluster.admin.delete(NAMESPACES, '', ns);
  await scale(ns, 5);
  await delay(200);
  const rs = await cluster.admin.get(REPLICA_SETS, ns, 'web');
  assert.equal(rs.status?.conditions, undefined);
  assert.deepEqual((await cluster.admin.list(EVENTS, { namespace: ns })).items, []);
});

test('another set with the same selector does not fight over pods', async () => {
  const ns = await newNamespace('rivals');
  await cluster.admin.create(REPLICA_SETS, replicaSet(ns, 2));
  const twin = replicaSet(ns, 3);
  twin.metadata.name = 'twin';
  await cluster.admin.create(REPLICA_SETS, twin);
  await until('five pods', async () => (await podsOf(ns)).length === 5);
  await delay(100);
  const pods = await podsOf(ns);
  assert.equal(pods.length, 5);
  assert.equal(pods.filter((p) => controllerOf(p)?.name === 'twin').length, 3);
});

const NOW = Date.parse('2026-11-24T08:00:00Z');

function ranked(
  name: string,
  more: {
    node?: string;
    phase?: NonNullable<Pod['status']>['phase'];
    readyFor?: number;
    cost?: string;
    restarts?: number;
    age?: number;
  } = {},
): Pod {
  const { node = 'n1', phase = 'Running', readyFor, cost, restarts = 0, age = 3600 } = more;
  const time = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();
  const ready = readyFor === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: time(readyFor) }];
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: time(age),
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } }),
    },
    spec: { nodeName: node, containers: [] },
    status: {
      phase,
      conditions: ready,
      containerStatuses: [{ name: 'c', restartCount: restarts, ready: true, image: '', imageID: '' }],
    },
  };
}

test('who goes first when there are too many', () => {
  const order = [
    ranked('a-unassigned', { node: '' }),
    ranked('b-pending', { phase: 'Pending' }),
    ranked('c-unknown', { phase: 'Unknown' }),
    ranked('d-not-ready'),
    ranked('e-cheap', { readyFor: 3000, cost: '-5' }),
    ranked('f-crowded', { node: 'crowd', readyFor: 3000 }),
    ranked('g-just-ready', { readyFor: 3 }),
    ranked('h-restarted', { readyFor: 3000, restarts: 4 }),
    ranked('i-young', { readyFor: 3000, age: 3100 }),
    ranked('j-old', { readyFor: 3000, age: 90_000 }),
    ranked('k-dear', { readyFor: 3, cost: '100' }),
  ];
  const crowd = Array.from({ length: 20 }, (_, i) => ranked(`x${i}`, { node: 'crowd', readyFor: 3000 }));
  const sorted = [...order].reverse().sort(byDeletionOrder([...order, ...crowd], NOW));
  assert.deepEqual(
    sorted.map((p) => p.metadata.name),
    order.map((p) => p.metadata.name),
  );
});

test('a cost that is no number counts as none; times of the same magnitude are equal and the UID decides', () => {
  const odd = [ranked('b', { readyFor: 3000, cost: '1e9' }), ranked('a', { readyFor: 3001, cost: '007' })];
  assert.deepEqual(
    odd.sort(byDeletionOrder(odd, NOW)).map((p) => p.metadata.name),
    ['a', 'b'],
  );
});
