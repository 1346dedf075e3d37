import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetSpec } from '../api/generated/types.ts';
import { NAMESPACES, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { isCode } from '../lib/errors.ts';
import { DisruptionController } from './disruption.ts';
import { ReplicaSetController } from './replica-set.ts';
import { TestCluster } from './testing/test-cluster.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  await cluster.runControllers(DisruptionController, ReplicaSetController);
});
after(async () => {
  const forbidden = cluster.forbidden();
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

async function newNamespace(name: string): Promise<string> {
  await cluster.admin.create(NAMESPACES, { metadata: { name } });
  await cluster.admin.create(SERVICE_ACCOUNTS, { metadata: { name: 'default', namespace: name } });
  return name;
}

async function setReady(pod: Pod, ready = true): Promise<void> {
  const { namespace = '', name = '' } = pod.metadata;
  const where = { namespace, name, subresource: 'status' };
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  await cluster.admin.patch(PODS, where, 'strategic', { status: { phase: 'Running', conditions } });
}

/** Pods of a ReplicaSet that all run and are ready. */
async function runningPods(namespace: string, replicas: number): Promise<readonly Pod[]> {
  await cluster.admin.create(REPLICA_SETS, {
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'one' }] } },
    },
  });
  const pods = await until('the pods', async () => {
    const { items } = await cluster.admin.list(PODS, { namespace });
    return items.length === replicas && items;
  });
  for (const pod of pods) await setReady(pod);
  return pods;
}

async function newBudget(namespace: string, spec: PodDisruptionBudgetSpec): Promise<void> {
  const selector = { matchLabels: { app: 'web' } };
  await cluster.admin.create(POD_DISRUPTION_BUDGETS, {
    metadata: { name: 'web', namespace },
    spec: { selector, ...spec },
  });
}

function allowing(namespace: string, allowed: number): Promise<PodDisruptionBudget> {
  return until(`${allowed} disruptions to be allowed`, async () => {
    const budget = await cluster.admin.get(POD_DISRUPTION_BUDGETS, namespace, 'web');
    return budget.status?.observedGeneration !== undefined && budget.status.disruptionsAllowed === allowed && budget;
  });
}

async function evict(pod: Pod | undefined, more: object = {}): Promise<void> {
  const { namespace = '', name = '' } = pod?.metadata ?? {};
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, ...more };
  await cluster.admin.createSubresource(PODS, { namespace, name, subresource: 'eviction' }, body);
}

const held = (error: unknown): boolean => {
  assert.ok(isCode(error, 'TooManyRequests'), String(error));
  assert.equal(error.message, "Cannot evict pod as it would violate the pod's disruption budget.");
  return true;
};

test('of three pods of which two must stay, one may go, and the next when its successor is ready', async () => {
  const ns = await newNamespace('min');
  const pods = await runningPods(ns, 3);
  await newBudget(ns, { minAvailable: 2 });
  await allowing(ns, 1);
  await evict(pods[0], { deleteOptions: { dryRun: ['All'] } });
  await evict(pods[0]);
  await assert.rejects(evict(pods[1]), held);
  const successor = await until('a successor', async () => {
    const { items } = await cluster.admin.list(PODS, { namespace: ns });
    return items.find((pod) => !pods.some((old) => old.metadata.uid === pod.metadata.uid));
  });
  await allowing(ns, 0);
  await assert.rejects(evict(pods[1]), held);
  await setReady(successor);
  await allowing(ns, 1);
  await evict(pods[1]);
});

test('two evictions at the same moment take no more than there is', async () => {
  const ns = await newNamespace('race');
  const pods = await runningPods(ns, 5);
  await newBudget(ns, { maxUnavailable: 1 });
  await allowing(ns, 1);
  const answers = await Promise.allSettled(pods.map((pod) => evict(pod)));
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const answer of answers) if (answer.status === 'rejected') held(answer.reason);
});

test('a part of what there should be, which follows the set; what cannot be counted is held', async () => {
  const ns = await newNamespace('part');
  await runningPods(ns, 4);
  await newBudget(ns, { maxUnavailable: '25%' });
  assert.deepEqual((await allowing(ns, 1)).status?.expectedPods, 4);
  await cluster.admin.patch(REPLICA_SETS, { namespace: ns, name: 'web' }, 'merge', { spec: { replicas: 5 } });
  assert.equal((await allowing(ns, 1)).metadata.name, 'web');
  await until('the set to be counted anew', async () => {
    const { status } = await cluster.admin.get(POD_DISRUPTION_BUDGETS, ns, 'web');
    return status?.expectedPods === 5;
  });
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'x', uid: 'u', controller: true };
  await cluster.admin.create(PODS, {
    metadata: { name: 'strange', namespace: ns, labels: { app: 'web' }, ownerReferences: [owner] },
    spec: { containers: [{ name: 'main', image: 'one' }] },
  });
  const failed = await allowing(ns, 0);
  assert.deepEqual(
    failed.status?.conditions?.map(({ reason }) => reason),
    ['SyncFailed'],
  );
});

test('a pod that serves nobody is not held, an unhealthy one by the policy', async () => {
  const ns = await newNamespace('idle');
  const pods = await runningPods(ns, 2);
  await setReady(pods[0] as Pod, false);
  await newBudget(ns, { minAvailable: 2 });
  await allowing(ns, 0);
  await assert.rejects(evict(pods[0]), held);
  await cluster.admin.patch(POD_DISRUPTION_BUDGETS, { namespace: ns, name: 'web' }, 'merge', {
    spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' },
  });
  await evict(pods[0]);
  await assert.rejects(evict(pods[1]), held);
  const pending = await until('a pod that waits for a node', async () => {
    const { items } = await cluster.admin.list(PODS, { namespace: ns });
    return items.find((pod) => pod.status?.phase === 'Pending');
  });
  await evict(pending);
});

test('two budgets for one pod hold it', async () => {
  const ns = await newNamespace('early');
  const pods = await runningPods(ns, 2);
  await newBudget(ns, { minAvailable: 0 });
  await allowing(ns, 2);
  const selector = { matchLabels: { app: 'web' } };
  await cluster.admin.create(POD_DISRUPTION_BUDGETS, { metadata: { name: 'too', namespace: ns }, spec: { selector } });
  await assert.rejects(evict(pods[0]), (error) => {
    assert.ok(isCode(error, 'InternalError'));
    return /more than one PodDisruptionBudget/.test(error.message);
  });
});
