import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConfigMap, Namespace } from '../api/generated/types.ts';
import { CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES } from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { isCode } from '../lib/errors.ts';
import { addNode, FakeKubelet, testNode } from './testing/fake-kubelet.ts';
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
  const forbidden = cluster.forbidden().filter((line) => !line.includes('because it is being terminated'));
  await cluster.close();
  assert.deepEqual(forbidden, []);
});

async function newNamespace(name: string): Promise<Namespace> {
  const created = await cluster.admin.create(NAMESPACES, { metadata: { name } });
  await until('the service account', () => cluster.admin.get(SERVICE_ACCOUNTS, name, 'default').catch(() => undefined));
  return created;
}

async function find(name: string): Promise<Namespace | undefined> {
  try {
    return await cluster.admin.get(NAMESPACES, '', name);
  } catch (error) {
    if (isCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

function gone(name: string): Promise<true> {
  return until(`${name} to go`, async () => (await find(name)) === undefined);
}

function configMap(namespace: string, name: string, finalizers?: string[]): ConfigMap {
  return { metadata: { name, namespace, ...(finalizers === undefined ? {} : { finalizers }) } };
}

function conditions(namespace: Namespace | undefined): Record<string, string> {
  return Object.fromEntries(
    (namespace?.status?.conditions ?? []).map((c) => [c.type, `${c.status} ${c.reason}: ${c.message}`]),
  );
}

test('every namespace gets a service account and the CA, and again when they are deleted or changed', async () => {
  const { admin } = cluster;
  await newNamespace('equipped');
  const map = await until('the CA', () =>
    admin.get(CONFIG_MAPS, 'equipped', 'kube-root-ca.crt').catch(() => undefined),
  );
  assert.deepEqual(map.data, { 'ca.crt': cluster.api.pki.clusterCa.certificatePem });
  assert.match(map.metadata.annotations?.['kubernetes.io/description'] ?? '', /^Contains a CA bundle/);
  const account = await admin.get(SERVICE_ACCOUNTS, 'equipped', 'default');
  await admin.delete(SERVICE_ACCOUNTS, 'equipped', 'default');
  await until('another account', async () => {
    const now = await admin.get(SERVICE_ACCOUNTS, 'equipped', 'default');
    return now.metadata.uid !== account.metadata.uid;
  });
  await admin.delete(CONFIG_MAPS, 'equipped', 'kube-root-ca.crt');
  const again = await until('another map', async () => {
    const now = await admin.get(CONFIG_MAPS, 'equipped', 'kube-root-ca.crt');
    return now.metadata.uid !== map.metadata.uid && now;
  });
  await admin.update(CONFIG_MAPS, { ...again, data: { 'ca.crt': 'mine', more: 'x' } });
  await until('the right CA', async () => {
    const now = await admin.get(CONFIG_MAPS, 'equipped', 'kube-root-ca.crt');
    return JSON.stringify(now.data) === JSON.stringify(map.data);
  });
  const where = { namespace: 'equipped', name: 'kube-root-ca.crt' };
  await admin.patch(CONFIG_MAPS, where, 'merge', { metadata: { annotations: null } });
  await until('what it is for', async () => {
    const now = await admin.get(CONFIG_MAPS, 'equipped', 'kube-root-ca.crt');
    return now.metadata.annotations?.['kubernetes.io/description'] !== undefined;
  });
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    await until(`the account of ${name}`, () => admin.get(SERVICE_ACCOUNTS, name, 'default').catch(() => undefined));
  }
});

test('an empty namespace goes quickly', async () => {
  await newNamespace('empty');
  const start = Date.now();
  await cluster.admin.delete(NAMESPACES, '', 'empty');
  await gone('empty');
  assert.ok(Date.now() - start < 5000, `${Date.now() - start} ms`);
});

test('everything in a namespace goes with it', async () => {
  const { admin } = cluster;
  await newNamespace('full');
  await admin.create(CONFIG_MAPS, configMap('full', 'a'));
  await admin.create(SERVICES, {
    metadata: { name: 's', namespace: 'full' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  await admin.create(DEPLOYMENTS, {
    metadata: { name: 'web', namespace: 'full' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'one' }] } },
    },
  });
  await until('the pods', async () => (await admin.list(PODS, { namespace: 'full' })).items.length === 3);
  await admin.delete(NAMESPACES, '', 'full');
  await gone('full');
  await admin.create(NAMESPACES, { metadata: { name: 'full' } });
  for (const type of [CONFIG_MAPS, PODS, SERVICES, DEPLOYMENTS]) {
    const { items } = await admin.list(type as typeof PODS, { namespace: 'full' });
    assert.deepEqual(
      items.filter((o) => o.metadata.name !== 'kube-root-ca.crt'),
      [],
      type.plural,
    );
  }
});

test('what holds a namespace up is told in its conditions', async () => {
  const { admin } = cluster;
  await newNamespace('held');
  await admin.create(CONFIG_MAPS, configMap('held', 'a', ['example.com/one']));
  await admin.create(CONFIG_MAPS, configMap('held', 'b', ['example.com/one', 'example.com/two']));
  await admin.delete(NAMESPACES, '', 'held');
  const told = await until('the conditions', async () => {
    const now = conditions(await find('held'));
    return now['NamespaceFinalizersRemaining']?.startsWith('True') === true && now;
  });
  assert.deepEqual(told, {
    NamespaceDeletionDiscoveryFailure: 'False ResourcesDiscovered: All resources successfully discovered',
    NamespaceDeletionGroupVersionParsingFailure: 'False ParsedGroupVersions: All legacy kube types successfully parsed',
    NamespaceDeletionContentFailure:
      'False ContentDeleted: All content successfully deleted, may be waiting on finalization',
    NamespaceContentRemaining:
      'True SomeResourcesRemain: Some resources are remaining: configmaps. has 2 resource instances',
    NamespaceFinalizersRemaining:
      'True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/one in 2 resource instances, example.com/two in 1 resource instances',
  });
  assert.equal((await find('held'))?.status?.phase, 'Terminating');
  for (const name of ['a', 'b']) {
    await admin.patch(CONFIG_MAPS, { namespace: 'held', name }, 'merge', { metadata: { finalizers: null } });
  }
  await gone('held');
});

test('pods go first: while one ends, what protects it stays', async () => {
  const { admin } = cluster;
  await newNamespace('ordered');
  await admin.create(CONFIG_MAPS, configMap('ordered', 'guard'));
  kubelet.hasStopped = () => false;
  await admin.create(PODS, {
    metadata: { name: 'p', namespace: 'ordered' },
    spec: { containers: [{ name: 'main', image: 'x' }] },
  });
  await until('the node', async () => (await admin.get(PODS, 'ordered', 'p')).spec?.nodeName);
  await admin.delete(NAMESPACES, '', 'ordered');
  const told = await until(
    'the conditions',
    async () => conditions(await find('ordered'))['NamespaceContentRemaining'],
  );
  assert.equal(told, 'True SomeResourcesRemain: Some resources are remaining: pods. has 1 resource instances');
  assert.notEqual((await admin.get(PODS, 'ordered', 'p')).metadata.deletionTimestamp, undefined);
  assert.equal((await admin.get(CONFIG_MAPS, 'ordered', 'guard')).metadata.deletionTimestamp, undefined);
  kubelet.hasStopped = () => true;
  kubelet.refresh();
  await gone('ordered');
});

test('a namespace with a finalizer of somebody else is emptied and waits for him', async () => {
  const { admin } = cluster;
  const created = await newNamespace('foreign');
  const spec = { finalizers: ['kubernetes', 'example.com/wait'] };
  await admin.update(NAMESPACES, { ...created, spec }, 'finalize');
  await admin.create(CONFIG_MAPS, configMap('foreign', 'a'));
  await admin.delete(NAMESPACES, '', 'foreign');
  const left = await until('our name to go', async () => {
    const now = await find('foreign');
    return now?.spec?.finalizers?.length === 1 && now;
  });
  assert.deepEqual(left.spec?.finalizers, ['example.com/wait']);
  assert.deepEqual((await admin.list(CONFIG_MAPS, { namespace: 'foreign' })).items, []);
  await admin.update(NAMESPACES, { ...left, spec: { finalizers: [] } }, 'finalize');
  await gone('foreign');
});
