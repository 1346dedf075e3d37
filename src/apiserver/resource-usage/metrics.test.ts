import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { bootstrapPolicy } from '../../authz/rbac/bootstrap-policy.ts';
import { directDialer } from '../../tunnel/direct/direct-dialer.ts';
import { createNodeAndPod, FakeKubelet } from '../testing/fake-kubelet.ts';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import type { TestClient } from '../testing/test-client.ts';
import { UsageSampler } from './usage-sampler.ts';

const NODES = '/apis/metrics.k8s.io/v1beta1/nodes';
const PODS = '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods';

let server: TestApiserver;
let admin: TestClient;
let kubelet: FakeKubelet;
/** What a kubelet that does not behave answers. */
let answer: () => string;

const started = Date.now() / 1000 - 100;

/** A node and one container, which use half and a quarter of a processor. */
function usage(pods: readonly string[] = ['web'], restartedAt = started): string {
  const now = Date.now();
  const since = now / 1000 - restartedAt;
  const of = (pod: string) => `{container="main",namespace="default",pod="${pod}"}`;
  return [
    '# HELP node_cpu_usage_seconds_total Processor time',
    `node_cpu_usage_seconds_total ${0.5 * (now / 1000 - started)} ${now}`,
    `node_memory_working_set_bytes 1073741824 ${now}`,
    ...pods.flatMap((pod) => [
      `container_cpu_usage_seconds_total${of(pod)} ${0.25 * since} ${now}`,
      `container_memory_working_set_bytes${of(pod)} 2097152 ${now}`,
      `container_start_time_seconds${of(pod)} ${restartedAt}`,
    ]),
    'resource_scrape_error 0',
    '',
  ].join('\n');
}

before(async () => {
  server = await startTestApiserver({ dialers: [directDialer()] });
  admin = server.client();
  const uid = await createNodeAndPod(admin, 'n1', 1);
  const certificate = server.pki.issueKubeletServing({
    nodeName: 'n1',
    nodeUid: uid,
    dnsNames: [],
    ipAddresses: ['127.0.0.1'],
  });
  kubelet = await FakeKubelet.start(certificate, server.pki.kubeletClientCa.certificatePem);
  kubelet.onRequest = (_request, response) => response.end(usage());
  await admin.patch('/api/v1/nodes/n1/status', {
    status: { daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } } },
  });
  await admin.patch('/api/v1/nodes/n1', { metadata: { labels: { zone: 'a' } } });
  await createNodeAndPod(admin, 'away', 1, 'lost');
  for (const pod of ['web', 'lost']) {
    await admin.patch(`/api/v1/namespaces/default/pods/${pod}/status`, { status: { phase: 'Running' } });
  }
});
after(async () => {
  await server.close();
  await kubelet.close();
});
beforeEach(() => {
  answer = usage;
});

/** Half and a quarter of a processor, measured over about a second. */
function assertUsage(found: { cpu: string; memory: string }, cores: number, memory: string): void {
  const nanocores = Number(/^(\d+)n$/.exec(found.cpu)?.[1]);
  assert.ok(Math.abs(nanocores - cores * 1e9) < 1e7, found.cpu);
  assert.equal(found.memory, memory);
}

describe('metrics.k8s.io', () => {
  it('says what nodes and pods use, and leaves out what no kubelet answers for', async () => {
    const nodes = await admin.get(NODES);
    assert.equal(nodes.status, 200, nodes.text);
    assert.deepEqual([nodes.json.kind, nodes.json.apiVersion], ['NodeMetricsList', 'metrics.k8s.io/v1beta1']);
    assert.deepEqual(
      nodes.json.items.map((item: { metadata: { name: string } }) => item.metadata.name),
      ['n1'],
    );
    const [node] = nodes.json.items;
    assertUsage(node.usage, 0.5, '1048576Ki');
    assert.deepEqual(node.metadata.labels, { zone: 'a' });
    assert.match(node.window, /^1\.\d+s$/);
    assert.ok(Math.abs(Date.parse(node.timestamp) - Date.now()) < 15_000);

    const pods = await admin.get(PODS);
    assert.deepEqual(
      pods.json.items.map((item: { metadata: { name: string } }) => item.metadata.name),
      ['web'],
    );
    const [{ containers }] = pods.json.items;
    assert.equal(containers.length, 1);
    assert.equal(containers[0].name, 'main');
    assertUsage(containers[0].usage, 0.25, '2048Ki');
  });

  it('answers one of them, and 404 for what is not there or not known', async () => {
    assert.equal((await admin.get(`${NODES}/n1`)).json.kind, 'NodeMetrics');
    assert.equal((await admin.get(`${PODS}/web`)).json.kind, 'PodMetrics');
    for (const path of [`${NODES}/away`, `${NODES}/none`, `${PODS}/lost`, `${PODS}/none`]) {
      const { status, json } = await admin.get(path);
      assert.deepEqual([status, json.reason], [404, 'NotFound'], path);
    }
  });

  it('is selected by labels and fields, and shown as a table', async () => {
    const names = async (query: string): Promise<string[]> =>
      (await admin.get(`${NODES}?${query}`)).json.items.map((i: { metadata: { name: string } }) => i.metadata.name);
    assert.deepEqual(await names('labelSelector=zone%3Da'), ['n1']);
    assert.deepEqual(await names('labelSelector=zone%3Db'), []);
    assert.deepEqual(await names('fieldSelector=metadata.name%3Daway'), []);
    assert.equal((await admin.get(`${NODES}?labelSelector=%3D%3D`)).status, 400);
    const table = await admin.get(NODES, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    assert.deepEqual(
      table.json.columnDefinitions.map((c: { name: string }) => c.name),
      ['Name', 'cpu', 'memory', 'Window'],
    );
    assert.equal(table.json.rows[0].cells[2], '1048576Ki');
  });

  it('is read-only, and cannot be watched', async () => {
    assert.equal((await admin.post(NODES, {})).status, 405);
    assert.equal((await admin.request('DELETE', `${NODES}/n1`)).status, 405);
    assert.equal((await admin.get(`${NODES}?watch=1`)).status, 405);
  });

  it('asks a kubelet once, however many ask', async () => {
    const before = kubelet.requests.length;
    await Promise.all(Array.from({ length: 20 }, () => admin.get(NODES)));
    assert.ok(kubelet.requests.length - before <= 1, 'the answers of before are fresh still');
  });
});

describe('who may read it', () => {
  it('is everybody who may view', () => {
    const { clusterRoles } = bootstrapPolicy();
    for (const role of ['view', 'edit', 'admin']) {
      const rules = clusterRoles.find(({ metadata }) => metadata.name === role)?.rules ?? [];
      const found = rules.find(({ apiGroups }) => apiGroups?.includes('metrics.k8s.io'));
      assert.deepEqual(
        [found?.resources, found?.verbs],
        [
          ['nodes', 'pods'],
          ['get', 'list', 'watch'],
        ],
        role,
      );
    }
  });
});

describe('a kubelet that does not behave', () => {
  /** A new node each, for what was answered is kept a while. */
  async function asked(nodeName: string, ...pods: string[]): Promise<{ nodes: string[]; pods: string[] }> {
    const uid = await createNodeAndPod(admin, nodeName, 1, pods[0] ?? `${nodeName}-pod`);
    const own = await FakeKubelet.start(
      server.pki.issueKubeletServing({ nodeName, nodeUid: uid, dnsNames: [], ipAddresses: ['127.0.0.1'] }),
      server.pki.kubeletClientCa.certificatePem,
    );
    own.onRequest = (_request, response) => response.end(answer());
    try {
      await admin.patch(`/api/v1/nodes/${nodeName}/status`, {
        status: { daemonEndpoints: { kubeletEndpoint: { Port: own.port } } },
      });
      const name = pods[0] ?? `${nodeName}-pod`;
      await admin.patch(`/api/v1/namespaces/default/pods/${name}/status`, { status: { phase: 'Running' } });
      const of = async (path: string): Promise<string[]> =>
        (await admin.get(path)).json.items.map((i: { metadata: { name: string } }) => i.metadata.name);
      return { nodes: await of(NODES), pods: await of(PODS) };
    } finally {
      await own.close();
      await admin.request('DELETE', `/api/v1/nodes/${nodeName}`);
    }
  }

  it('says nothing of the pods of another node', async () => {
    answer = () => usage(['web', 'liar-pod']).replaceAll('2097152', '4194304');
    const { pods } = await asked('liar');
    assert.ok(pods.includes('liar-pod'));
    const web = await admin.get(`${PODS}/web`);
    assert.equal(pods.filter((name) => name === 'web').length, 1);
    assertUsage(web.json.containers[0].usage, 0.25, '2048Ki');
  });

  it('is left out when it answers nonsense, too much, or an error', async () => {
    answer = () => 'node_cpu_usage_seconds_total NaN\n<html>';
    assert.ok(!(await asked('nonsense')).nodes.includes('nonsense'));
    answer = () => 'x'.repeat(5 << 20);
    assert.ok(!(await asked('endless')).nodes.includes('endless'));
    answer = () => usage().replace(/node_memory.*\n/, '');
    assert.ok(!(await asked('half')).nodes.includes('half'));
  });
});

describe('a container that has just started', () => {
  it('is measured from its start', async () => {
    const restartedAt = Date.now() / 1000 - 3;
    answer = () => usage(['young'], restartedAt);
    const uid = await createNodeAndPod(admin, 'n2', 1, 'young');
    const own = await FakeKubelet.start(
      server.pki.issueKubeletServing({ nodeName: 'n2', nodeUid: uid, dnsNames: [], ipAddresses: ['127.0.0.1'] }),
      server.pki.kubeletClientCa.certificatePem,
    );
    let looks = 0;
    own.onRequest = (_request, response) => response.end(looks++ === 0 ? usage([]) : answer());
    await admin.patch('/api/v1/nodes/n2/status', {
      status: { daemonEndpoints: { kubeletEndpoint: { Port: own.port } } },
    });
    await admin.patch('/api/v1/namespaces/default/pods/young/status', { status: { phase: 'Running' } });
    const pod = await admin.get(`${PODS}/young`);
    assert.equal(pod.status, 200, pod.text);
    assertUsage(pod.json.containers[0].usage, 0.25, '2048Ki');
    assert.ok(Number.parseFloat(pod.json.window) > 3, pod.json.window);
    await own.close();
  });
});

describe('the sampler', () => {
  const node = { name: 'n', uid: 'u', addresses: [], kubeletPort: 1 };
  const reading = (atMs: number) => ({
    node: { atMs, cpuSeconds: atMs / 1000, memoryBytes: 1, startedAt: 0 },
    pods: new Map(),
  });

  it('takes the time since it was asked last as the window, unless that is long ago', async () => {
    let now = 0;
    let looks = 0;
    const closing = new AbortController();
    const sampler = new UsageSampler({
      look: () => {
        looks++;
        return Promise.resolve(reading(now));
      },
      clock: { now: () => now },
      closing: closing.signal,
    });
    const window = async (): Promise<number | undefined> => {
      const found = (await sampler.windows([node])).get('n');
      return found === undefined ? undefined : found.now.node.atMs - found.before.node.atMs;
    };
    await window();
    assert.equal(looks, 2);
    now += 5_000;
    await window();
    assert.equal(looks, 2, 'it is fresh');
    now += 10_000;
    assert.deepEqual([await window(), looks], [15_000, 3]);
    now += 61_000;
    await window();
    assert.equal(looks, 5, 'two looks, for the last was long ago');
    closing.abort();
  });

  it('does not ask a kubelet that is away again and again, and never more than 32 at once', async () => {
    let open = 0;
    let most = 0;
    let looks = 0;
    const sampler = new UsageSampler({
      look: async () => {
        looks++;
        most = Math.max(most, ++open);
        await delay(1);
        open--;
        throw new Error('away');
      },
      clock: { now: () => 0 },
      closing: new AbortController().signal,
    });
    const nodes = Array.from({ length: 100 }, (_, i) => ({ ...node, name: `n${i}` }));
    assert.equal((await sampler.windows(nodes)).size, 0);
    assert.deepEqual([looks, most], [100, 32]);
    await sampler.windows(nodes);
    assert.equal(looks, 100);
  });
});
