import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shell, shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  const second = { ...shell(WAIT), name: 'side' };
  await cluster.create(
    shellPod('busy', 'while :; do :; done', { labels: { kind: 'busy' } }),
    shellPod('idle', WAIT, { spec: { containers: [shell(WAIT), second] } }),
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'viewer', namespace: 'default' },
    },
  );
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/busy', 'pod/idle', '--timeout=20s']);
});
after(() => cluster?.stop());

function rows(table: string): string[][] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
}

for (const version of ['1.35', '1.20'] as const) {
  it(`kubectl ${version} top shows what pods, containers and nodes use`, async () => {
    const pods = await cluster.until('both pods to be measured', async () => {
      const { stdout } = await cluster.kubectl(['top', 'pod'], { version });
      const found = rows(stdout);
      return found.length === 3 && found;
    });
    assert.deepEqual(pods[0], ['NAME', 'CPU(cores)', 'MEMORY(bytes)']);
    const busy = pods.find(([name]) => name === 'busy');
    if (cluster.hasLimits) assert.ok(Number.parseInt(busy?.[1] ?? '', 10) > 100, `it never rests: ${busy}`);
    assert.match(busy?.[2] ?? '', /^\d+Mi$/);

    const selected = rows(await cluster.ok(['top', 'pod', '-l', 'kind=busy', '--no-headers'], { version }));
    assert.deepEqual(
      selected.map(([name]) => name),
      ['busy'],
    );
    const containers = rows(await cluster.ok(['top', 'pod', 'idle', '--containers', '--no-headers'], { version }));
    assert.deepEqual(
      containers.map(([pod, name]) => `${pod}/${name}`),
      ['idle/main', 'idle/side'],
    );
    const [head, node] = rows(await cluster.ok(['top', 'node'], { version }));
    assert.equal(head?.[0], 'NAME');
    assert.match(node?.join(' ') ?? '', /^\S+ \d+m \d+% \d+Mi \d+%$/);
  });
}

it('is listed, has columns, and is for those who may view', async () => {
  const listed = await cluster.ok(['api-resources', '--api-group=metrics.k8s.io', '--no-headers']);
  assert.deepEqual(
    rows(listed).map((row) => row.join(' ')),
    ['nodes metrics.k8s.io/v1beta1 false NodeMetrics', 'pods metrics.k8s.io/v1beta1 true PodMetrics'],
  );
  const [head] = rows(await cluster.ok(['get', 'pods.metrics.k8s.io']));
  assert.deepEqual(head, ['NAME', 'CPU', 'MEMORY', 'WINDOW']);

  const as = ['--as=system:serviceaccount:default:viewer'];
  assert.match(
    await cluster.refused(['top', 'pod', ...as]),
    /cannot list resource "pods" in API group "metrics.k8s.io"/,
  );
  await cluster.ok(['create', 'rolebinding', 'v', '--clusterrole=view', '--serviceaccount=default:viewer']);
  await cluster.until('the viewer to see pods', async () => {
    const { code } = await cluster.kubectl(['top', 'pod', 'busy', ...as]);
    return code === 0;
  });
  assert.match(
    await cluster.refused(['top', 'node', ...as]),
    /cannot list resource "nodes" in API group "metrics.k8s.io"/,
  );
});
