import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { EndpointSlice, Endpoints, Pod, Service } from '../api/generated/types.ts';
import {
  ENDPOINT_SLICES,
  ENDPOINTS,
  NAMESPACES,
  NODES,
  PODS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from '../client/resources.ts';
import { until } from '../client/testing/test-client.ts';
import { EndpointsController } from './endpoints.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { addNode, testNode } from './testing/fake-kubelet.ts';
import { TestCluster } from './testing/test-cluster.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
  const zone = { 'topology.kubernetes.io/zone': 'z1' };
  await addNode(cluster.admin, testNode('n1', { metadata: { labels: zone } }));
  await cluster.runControllers(EndpointsController, GarbageCollector);
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

function service(namespace: string, spec: Partial<NonNullable<Service['spec']>> = {}): Promise<Service> {
  return cluster.admin.create(SERVICES, {
    metadata: { name: 'web', namespace, labels: { team: 'a' } },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec },
  });
}

interface PodParts {
  readonly ip?: string;
  readonly ready?: boolean;
  readonly spec?: Partial<NonNullable<Pod['spec']>>;
  readonly labels?: Record<string, string>;
  readonly port?: number;
}

async function addPod(namespace: string, name: string, parts: PodParts): Promise<Pod> {
  const { ip, ready = true, spec = {}, labels = { app: 'web' }, port = 8080 } = parts;
  const pod = await cluster.admin.create(PODS, {
    metadata: { name, namespace, labels },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'main', image: 'x', ports: [{ name: 'http', containerPort: port }] }],
      ...spec,
    },
  });
  if (ip === undefined) return pod;
  return setStatus(namespace, name, ready, [ip]);
}

function setStatus(namespace: string, name: string, ready: boolean, ips: string[], phase = 'Running'): Promise<Pod> {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const status = { phase, podIP: ips[0], podIPs: ips.map((ip) => ({ ip })), conditions };
  return cluster.admin.patch(PODS, { namespace, name, subresource: 'status' }, 'merge', { status });
}

async function slicesOf(namespace: string): Promise<readonly EndpointSlice[]> {
  return (await cluster.admin.list(ENDPOINT_SLICES, { namespace })).items;
}

/** `ip` of each endpoint with its conditions. */
function shown(slices: readonly EndpointSlice[]): string[] {
  return slices
    .flatMap((s) => s.endpoints ?? [])
    .map((e) => {
      const { ready, serving, terminating } = e.conditions ?? {};
      return `${e.addresses.join('+')}${ready ? ' ready' : ''}${serving ? ' serving' : ''}${terminating ? ' terminating' : ''}`;
    })
    .sort();
}

function sliceShows(namespace: string, expected: string[]): Promise<readonly EndpointSlice[]> {
  return until(`slices with ${expected}`, async () => {
    const slices = await slicesOf(namespace);
    return (
      JSON.stringify(shown(slices)) === JSON.stringify(expected) && slices.filter((s) => s.endpoints !== undefined)
    );
  });
}

function endpointsShow(namespace: string, ready: string[], notReady: string[]): Promise<Endpoints> {
  const ips = (list: readonly { ip: string }[] | undefined): string[] => (list ?? []).map((a) => a.ip).sort();
  return until(`endpoints with ${ready} and ${notReady}`, async () => {
    const found = await cluster.admin.get(ENDPOINTS, namespace, 'web');
    const all = found.subsets ?? [];
    return (
      JSON.stringify([all.flatMap((s) => ips(s.addresses)), all.flatMap((s) => ips(s.notReadyAddresses))]) ===
        JSON.stringify([ready, notReady]) && found
    );
  });
}

test('a service with one ready and one unready pod: what both kinds of endpoints say', async () => {
  const ns = await newNamespace('basic');
  const made = await service(ns);
  const empty = await until('an empty slice from the start', async () => (await slicesOf(ns))[0]);
  const a = await addPod(ns, 'a', { ip: '10.1.0.1' });
  await addPod(ns, 'b', { ip: '10.1.0.2', ready: false });
  await addPod(ns, 'c', {});
  await addPod(ns, 'd', { ip: '10.1.0.4', labels: { app: 'other' } });
  const [slice] = (await sliceShows(ns, ['10.1.0.1 ready serving', '10.1.0.2'])) as [EndpointSlice];
  const { metadata, endpoints = [], ...content } = slice;
  assert.match(metadata.name ?? '', /^web-/);
  assert.equal(metadata.uid, empty.metadata.uid, 'the slice is used again');
  assert.deepEqual(metadata.labels, {
    team: 'a',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  assert.deepEqual(metadata.ownerReferences, [
    {
      apiVersion: 'v1',
      kind: 'Service',
      name: 'web',
      uid: made.metadata.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  assert.deepEqual(content, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  });
  assert.deepEqual(
    endpoints.find((e) => e.addresses[0] === '10.1.0.1'),
    {
      addresses: ['10.1.0.1'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'n1',
      targetRef: { kind: 'Pod', name: 'a', namespace: ns, uid: a.metadata.uid },
      zone: 'z1',
    },
  );
  const object = await endpointsShow(ns, ['10.1.0.1'], ['10.1.0.2']);
  assert.deepEqual(object.metadata.labels, { team: 'a', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' });
  assert.deepEqual(object.subsets?.[0]?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  assert.deepEqual(object.subsets?.[0]?.addresses, [
    { ip: '10.1.0.1', nodeName: 'n1', targetRef: { kind: 'Pod', name: 'a', namespace: ns, uid: a.metadata.uid } },
  ]);
});

test('ready, unready, ended, deleted: the endpoints follow', async () => {
  const ns = await newNamespace('follow');
  await service(ns);
  await addPod(ns, 'a', { ip: '10.1.1.1' });
  await sliceShows(ns, ['10.1.1.1 ready serving']);
  await setStatus(ns, 'a', false, ['10.1.1.1']);
  await sliceShows(ns, ['10.1.1.1']);
  await endpointsShow(ns, [], ['10.1.1.1']);
  await setStatus(ns, 'a', true, ['10.1.1.1']);
  await endpointsShow(ns, ['10.1.1.1'], []);
  await cluster.admin.delete(PODS, ns, 'a');
  await sliceShows(ns, ['10.1.1.1 serving terminating']);
  await endpointsShow(ns, [], []);
  await cluster.admin.delete(PODS, ns, 'a', { gracePeriodSeconds: 0 });
  await sliceShows(ns, []);
  await addPod(ns, 'b', { ip: '10.1.1.2' });
  await sliceShows(ns, ['10.1.1.2 ready serving']);
  await setStatus(ns, 'b', false, ['10.1.1.2'], 'Succeeded');
  await sliceShows(ns, []);
});

test('publishNotReadyAddresses: every address counts as ready, one that ends too', async () => {
  const ns = await newNamespace('published');
  await service(ns, { publishNotReadyAddresses: true });
  await addPod(ns, 'a', { ip: '10.1.2.1', ready: false });
  await addPod(ns, 'b', { ip: '10.1.2.2' });
  await cluster.admin.delete(PODS, ns, 'b');
  await sliceShows(ns, ['10.1.2.1 ready', '10.1.2.2 ready serving terminating']);
  await endpointsShow(ns, ['10.1.2.1', '10.1.2.2'], []);
});

test('headless: no port, a mark, and the names that DNS gives to pods', async () => {
  const ns = await newNamespace('headless');
  const { ports: _, ...spec } = { clusterIP: 'None', ports: [] };
  await cluster.admin.create(SERVICES, {
    metadata: { name: 'web', namespace: ns },
    spec: { ...spec, selector: { app: 'web' } },
  });
  await addPod(ns, 'a', { ip: '10.1.3.1', spec: { hostname: 'one', subdomain: 'web' } });
  await addPod(ns, 'b', { ip: '10.1.3.2', spec: { hostname: 'two', subdomain: 'elsewhere' } });
  const [slice] = (await sliceShows(ns, ['10.1.3.1 ready serving', '10.1.3.2 ready serving'])) as [EndpointSlice];
  assert.equal(slice.metadata.labels?.['service.kubernetes.io/headless'], '');
  assert.deepEqual(slice.ports ?? [], []);
  assert.deepEqual(
    slice.endpoints?.map((e) => e.hostname),
    ['one', undefined],
  );
  const object = await endpointsShow(ns, ['10.1.3.1', '10.1.3.2'], []);
  assert.equal(object.subsets?.[0]?.ports, undefined);
  assert.equal(object.metadata.labels?.['service.kubernetes.io/headless'], '');
  assert.equal(object.subsets?.[0]?.addresses?.[0]?.hostname, 'one');
});

test('a named port that differs from pod to pod makes several slices; a pod without it is no address', async () => {
  const ns = await newNamespace('named');
  await service(ns);
  await addPod(ns, 'a', { ip: '10.1.4.1', port: 8080 });
  await addPod(ns, 'b', { ip: '10.1.4.2', port: 9090 });
  const sidecar = {
    name: 'side',
    image: 'x',
    restartPolicy: 'Always' as const,
    ports: [{ name: 'http', containerPort: 7070 }],
  };
  await addPod(ns, 'c', {
    ip: '10.1.4.3',
    spec: { initContainers: [sidecar], containers: [{ name: 'main', image: 'x' }] },
  });
  await addPod(ns, 'd', { ip: '10.1.4.4', spec: { containers: [{ name: 'main', image: 'x' }] } });
  const slices = await sliceShows(
    ns,
    ['1', '2', '3', '4'].map((n) => `10.1.4.${n} ready serving`),
  );
  assert.deepEqual(slices.map((s) => `${s.endpoints?.[0]?.addresses[0]} ${s.ports?.[0]?.port}`).toSorted(), [
    '10.1.4.1 8080',
    '10.1.4.2 9090',
    '10.1.4.3 7070',
    '10.1.4.4 undefined',
  ]);
  await until('three addresses', async () => (await cluster.admin.get(ENDPOINTS, ns, 'web')).subsets?.length === 3);
});

test('another selector, other labels, other ports: slices and Endpoints are rewritten', async () => {
  const ns = await newNamespace('changed');
  await service(ns);
  await addPod(ns, 'a', { ip: '10.1.5.1' });
  await addPod(ns, 'b', { ip: '10.1.5.2', labels: { app: 'db' } });
  await endpointsShow(ns, ['10.1.5.1'], []);
  const where = { namespace: ns, name: 'web' };
  await cluster.admin.patch(SERVICES, where, 'merge', {
    metadata: { labels: { team: 'b' } },
    spec: { selector: { app: 'db' } },
  });
  await endpointsShow(ns, ['10.1.5.2'], []);
  const [slice] = (await sliceShows(ns, ['10.1.5.2 ready serving'])) as [EndpointSlice];
  assert.equal(slice.metadata.labels?.['team'], 'b');
  await until(
    'the label',
    async () => (await cluster.admin.get(ENDPOINTS, ns, 'web')).metadata.labels?.['team'] === 'b',
  );
  await cluster.admin.patch(PODS, { namespace: ns, name: 'a' }, 'merge', { metadata: { labels: { app: 'db' } } });
  await endpointsShow(ns, ['10.1.5.1', '10.1.5.2'], []);
  await cluster.admin.patch(SERVICES, where, 'merge', {
    spec: { ports: [{ name: 'http', port: 80, targetPort: 1234 }] },
  });
  await until('the port', async () => (await slicesOf(ns)).every((s) => s.ports?.[0]?.port === 1234));
});

test('what somebody else deletes or changes is put right; what is his own is left alone', async () => {
  const ns = await newNamespace('repaired');
  const { admin } = cluster;
  await service(ns);
  await addPod(ns, 'a', { ip: '10.1.6.1' });
  const [slice] = (await sliceShows(ns, ['10.1.6.1 ready serving'])) as [EndpointSlice];
  const own: EndpointSlice = {
    metadata: { name: 'mine', namespace: ns, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'] }],
  };
  await admin.create(ENDPOINT_SLICES, own);
  await admin.delete(ENDPOINT_SLICES, ns, slice.metadata.name ?? '');
  const again = await until('another slice', async () => {
    const ours = (await slicesOf(ns)).filter((s) => s.metadata.name !== 'mine');
    return ours.length === 1 && ours[0]?.metadata.uid !== slice.metadata.uid && ours[0];
  });
  await admin.update(ENDPOINT_SLICES, { ...again, endpoints: [{ addresses: ['192.0.2.66'] }] });
  await until('the right address', async () => shown(await slicesOf(ns)).includes('10.1.6.1 ready serving'));
  await admin.delete(ENDPOINTS, ns, 'web');
  await endpointsShow(ns, ['10.1.6.1'], []);
  assert.ok((await slicesOf(ns)).some((s) => s.metadata.name === 'mine'));
  await admin.delete(SERVICES, ns, 'web');
  await until('our slice and the Endpoints to go', async () => {
    const [slices, objects] = [await slicesOf(ns), await admin.list(ENDPOINTS, { namespace: ns })];
    return slices.length === 1 && objects.items.length === 0;
  });
});

test('a service without a selector keeps the Endpoints that somebody wrote', async () => {
  const ns = await newNamespace('manual');
  const { admin } = cluster;
  const subsets = [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 80 }] }];
  await admin.create(ENDPOINTS, { metadata: { name: 'lonely', namespace: ns }, subsets });
  await admin.create(SERVICES, { metadata: { name: 'web', namespace: ns }, spec: { ports: [{ port: 80 }] } });
  await admin.create(ENDPOINTS, { metadata: { name: 'web', namespace: ns }, subsets });
  await admin.patch(ENDPOINTS, { namespace: ns, name: 'lonely' }, 'merge', { metadata: { labels: { x: 'y' } } });
  await delay(100);
  assert.equal((await admin.list(ENDPOINTS, { namespace: ns })).items.length, 2);
  assert.deepEqual(await slicesOf(ns), []);
  await admin.delete(SERVICES, ns, 'web');
  await until('its Endpoints to go', async () => (await admin.list(ENDPOINTS, { namespace: ns })).items.length === 1);
  const kubernetes = await admin.get(ENDPOINTS, 'default', 'kubernetes');
  assert.equal(kubernetes.metadata.labels?.['endpoints.kubernetes.io/managed-by'], undefined);
});

test('130 pods: two slices, and one pod that goes changes one of them', async () => {
  const ns = await newNamespace('many');
  await service(ns);
  const names = Array.from({ length: 130 }, (_, i) => `p${i}`);
  await Promise.all(names.map((name, i) => addPod(ns, name, { ip: `10.2.${Math.floor(i / 200)}.${(i % 200) + 1}` })));
  const slices = await until('all', async () => {
    const now = await slicesOf(ns);
    return shown(now).filter((e) => e.endsWith('ready serving')).length === 130 && now;
  });
  await delay(100);
  assert.deepEqual(
    (await slicesOf(ns)).map((s) => s.endpoints?.length ?? 0).sort((a, b) => a - b),
    [30, 100],
  );
  const versions = new Map((await slicesOf(ns)).map((s) => [s.metadata.name, s.metadata.resourceVersion]));
  const victim = slices.find((s) => s.endpoints?.length === 100)?.endpoints?.[0]?.targetRef?.name ?? '';
  await cluster.admin.delete(PODS, ns, victim, { gracePeriodSeconds: 0 });
  const left = await until('129', async () => {
    const now = await slicesOf(ns);
    return shown(now).length === 129 && now;
  });
  assert.equal(left.filter((s) => versions.get(s.metadata.name) !== s.metadata.resourceVersion).length, 1);
  assert.equal(
    (await cluster.admin.get(ENDPOINTS, ns, 'web')).metadata.annotations?.['endpoints.kubernetes.io/over-capacity'],
    undefined,
  );
});

test('the zone of a node that changes is changed in the slices', async () => {
  const ns = await newNamespace('zones');
  await addNode(cluster.admin, testNode('n2'));
  await service(ns);
  await addPod(ns, 'a', { ip: '10.1.8.1', spec: { nodeName: 'n2' } });
  const [slice] = (await sliceShows(ns, ['10.1.8.1 ready serving'])) as [EndpointSlice];
  assert.equal(slice.endpoints?.[0]?.zone, undefined);
  const labels = { 'topology.kubernetes.io/zone': 'z9' };
  await cluster.admin.patch(NODES, { namespace: '', name: 'n2' }, 'merge', { metadata: { labels } });
  await until('the zone', async () => (await slicesOf(ns))[0]?.endpoints?.[0]?.zone === 'z9');
});
