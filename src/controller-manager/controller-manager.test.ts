import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterRoleBinding, Event } from '../api/generated/types.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  CONFIG_MAPS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  LEASES,
  NAMESPACES,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { addNode, FakeKubelet, testNode } from './testing/fake-kubelet.ts';
import { TestCluster } from './testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
const web = { matchLabels: { app: 'web' } };

function deployment(namespace: string, image: string) {
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image }] } };
  return { metadata: { name: 'web', namespace }, spec: { replicas: 2, selector: web, template } };
}

/** A day in the life of a cluster: every controller has something to do. */
async function liveThrough(cluster: TestCluster): Promise<void> {
  const { admin } = cluster;
  await addNode(admin, testNode('n1'));
  await addNode(admin, testNode('n2'));
  const lease = { metadata: { name: 'n2', namespace: 'kube-node-lease' }, spec: { holderIdentity: 'n2' } };
  await admin.create(LEASES, lease);
  await FakeKubelet.start(cluster);
  await admin.create(NAMESPACES, { metadata: { name: 'app' } });
  await until('the account', () => admin.get(SERVICE_ACCOUNTS, 'app', 'default').catch(() => undefined));
  await until('the CA', () => admin.get(CONFIG_MAPS, 'app', 'kube-root-ca.crt').catch(() => undefined));
  await admin.create(DEPLOYMENTS, deployment('app', 'one'));
  await admin.create(SERVICES, {
    metadata: { name: 'web', namespace: 'app' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  const available = async (): Promise<boolean> => {
    const { status, metadata } = await admin.get(DEPLOYMENTS, 'app', 'web');
    const isCurrent = status?.observedGeneration === metadata.generation;
    return isCurrent && status?.availableReplicas === 2 && status.updatedReplicas === 2 && status.replicas === 2;
  };
  await until('the deployment', available);
  await until('two endpoints', async () => {
    const { items } = await admin.list(ENDPOINT_SLICES, { namespace: 'app' });
    return items.flatMap((s) => s.endpoints ?? []).length === 2;
  });
  const patch = { spec: { template: { spec: { containers: [{ name: 'main', image: 'two' }] } } } };
  await admin.patch(DEPLOYMENTS, { namespace: 'app', name: 'web' }, 'strategic', patch);
  await until('the next one', available);
  await admin.create(PODS, {
    metadata: { name: 'stray', namespace: 'app', labels: { app: 'web' } },
    spec: { containers: [{ name: 'main', image: 'x' }] },
  });
  await admin.patch(NODES, { namespace: '', name: 'n2' }, 'merge', {
    spec: { taints: [{ key: 'x', effect: 'NoExecute' }] },
  });
  await until(
    'n2 to be left',
    async () => (await admin.list(PODS, { fieldSelector: 'spec.nodeName=n2' })).items.length === 0,
  );
  await admin.create(PODS, {
    metadata: { name: 'huge', namespace: 'app' },
    spec: { containers: [{ name: 'main', image: 'x', resources: { requests: { cpu: '999' } } }] },
  });
  await until('why not', async () =>
    (await admin.get(PODS, 'app', 'huge')).status?.conditions?.some((c) => c.reason === 'Unschedulable'),
  );
  await admin.delete(DEPLOYMENTS, 'app', 'web', { propagationPolicy: 'Foreground' });
  await until(
    'no pods of it',
    async () => (await admin.list(PODS, { namespace: 'app', labelSelector: 'app=web' })).items.length <= 1,
  );
  await admin.delete(NAMESPACES, '', 'app');
  await until('nothing', async () => (await admin.list(NAMESPACES)).items.every((n) => n.metadata.name !== 'app'));
}

test('every component does its work with its own identity and the roles of the bootstrap policy', async () => {
  const cluster = await TestCluster.start();
  await Promise.all([cluster.runControllers(), cluster.runScheduler()]);
  await liveThrough(cluster);
  const { items } = await cluster.admin.list(EVENTS);
  const sources = new Set(items.map((e) => e.source?.component));
  for (const source of ['node-controller']) assert.ok(sources.has(source), source);
  // Events of a namespace that goes come too late.
  const forbidden = cluster.forbidden().filter((line) => !line.includes('because it is being terminated'));
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

test('without the roles they can do nothing: it is the policy that lets them', async () => {
  const cluster = await TestCluster.start();
  const { admin } = cluster;
  const { items } = await admin.list(CLUSTER_ROLE_BINDINGS);
  const isOurs = (b: ClusterRoleBinding): boolean =>
    b.subjects?.some((s) => s.name === 'system:kube-controller-manager') === true;
  const ours = items.filter((b) => isOurs(b) && b.roleRef.name !== 'system:kube-controller-manager');
  assert.ok(ours.length >= 10);
  for (const { metadata } of ours) await admin.delete(CLUSTER_ROLE_BINDINGS, '', metadata.name ?? '');
  await cluster.runControllers();
  await until('a refusal', () => cluster.forbidden().some((line) => line.includes('configmaps')));
  assert.ok(cluster.forbidden().every((line) => line.startsWith('system:kube-controller-manager ')));
  await cluster.close();
});
