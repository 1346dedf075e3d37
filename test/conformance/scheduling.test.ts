import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Pod } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

let cluster: TestCluster;
let node: string;

before(async () => {
  cluster = await startCluster({ flags: ['--node-name', 'one.test'] });
  node = 'one.test';
});
after(() => cluster?.stop());
afterEach(async () => {
  await cluster.ok(['uncordon', node]);
  await cluster.ok(['delete', 'rs,pods', '--all', '--now']);
});

/** The message of the pod's FailedScheduling event, which its condition tells too. */
async function unschedulable(name: string): Promise<string> {
  const pod = await cluster.until(`${name} to be unschedulable`, async () => {
    const found = await cluster.json<Pod>(['get', 'pod', name]);
    return found.status?.conditions?.some((c) => c.type === 'PodScheduled' && c.status === 'False') && found;
  });
  const condition = pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
  assert.equal(condition?.reason, 'Unschedulable');
  assert.equal(pod.status?.phase, 'Pending');
  const message = await cluster.until('the event', async () =>
    cluster.ok([
      'get',
      'events',
      '--field-selector',
      `involvedObject.name=${name},reason=FailedScheduling`,
      '-o',
      'jsonpath={.items[0].message}',
    ]),
  );
  assert.equal(message, condition?.message);
  return message;
}

describe('scheduling', () => {
  it('says which resources are missing', async () => {
    await cluster.create(
      shellPod('cpu', WAIT, { container: { resources: { requests: { cpu: '1000' } } } }),
      shellPod('memory', WAIT, { container: { resources: { requests: { memory: '1000Ti', cpu: '1000' } } } }),
      shellPod('gpu', WAIT, { container: { resources: { limits: { 'example.test/gpu': '1' } } } }),
      shellPod('hugepages', WAIT, {
        container: {
          resources: { limits: { 'hugepages-2Mi': '2Mi' }, requests: { 'hugepages-2Mi': '2Mi', cpu: '1m' } },
        },
      }),
    );
    assert.match(await unschedulable('cpu'), /^0\/1 nodes are available: 1 Insufficient cpu\./);
    assert.match(
      await unschedulable('memory'),
      /^0\/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory\./,
    );
    assert.match(await unschedulable('gpu'), /^0\/1 nodes are available: 1 Insufficient example\.test\/gpu\./);
    assert.match(await unschedulable('hugepages'), /^0\/1 nodes are available: 1 Insufficient hugepages-2Mi\./);
    assert.match(
      await cluster.ok(['describe', 'pod', 'cpu']),
      /Warning +FailedScheduling +.+ +default-scheduler +0\/1 nodes are available: 1 Insufficient cpu/,
    );
  });

  it('keeps to selectors, affinity and names of nodes, and looks again when a node changes', async () => {
    await cluster.create(
      shellPod('select', WAIT, { spec: { nodeSelector: { disk: 'fast' } } }),
      shellPod('affine', WAIT, {
        spec: {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchExpressions: [{ key: 'size', operator: 'Gt', values: ['3'] }] }],
              },
            },
          },
        },
      }),
      shellPod('alone', WAIT, {
        labels: { app: 'alone' },
        spec: {
          affinity: {
            podAntiAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [
                { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'busy' } } },
              ],
            },
          },
        },
      }),
      shellPod('other', WAIT, { spec: { schedulerName: 'somebody-else' } }),
    );
    const why = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    assert.equal(await unschedulable('select'), why);
    assert.equal(await unschedulable('affine'), why);
    await cluster.ok(['label', 'node', node, 'disk=fast', 'size=4']);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/select', 'pod/affine', 'pod/alone', '--timeout=20s']);
    assert.equal(
      await cluster.ok(['get', 'pod', 'other', '-o', 'jsonpath={.status.phase}{.spec.nodeName}']),
      'Pending',
    );
    await cluster.create(shellPod('crowd', WAIT, { labels: { app: 'busy' } }));
    assert.equal(
      await unschedulable('crowd'),
      "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    );
    await cluster.ok(['label', 'node', node, 'disk-', 'size-']);
  });

  it('keeps off tainted nodes, and leaves them', async () => {
    await cluster.create(
      shellPod('sitting', WAIT),
      shellPod('tolerant', WAIT, { spec: { tolerations: [{ key: 'lab', operator: 'Exists' }] } }),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=20s']);
    assert.equal(await cluster.ok(['taint', 'node', node, 'lab=x:NoSchedule']), `node/${node} tainted\n`);
    await cluster.create(
      shellPod('late', WAIT),
      shellPod('welcome', WAIT, {
        spec: { tolerations: [{ key: 'lab', operator: 'Equal', value: 'x', effect: 'NoSchedule' }] },
      }),
    );
    assert.equal(await unschedulable('late'), '0/1 nodes are available: 1 node(s) had untolerated taint(s).');
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/welcome', '--timeout=20s']);
    assert.equal(await cluster.ok(['taint', 'node', node, 'lab-']), `node/${node} untainted\n`);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/late', '--timeout=20s']);
    await cluster.ok(['taint', 'node', node, 'lab=x:NoExecute']);
    await cluster.until(
      'the others to be evicted',
      async () => (await cluster.ok(['get', 'pods', '-o', 'name'])) === 'pod/tolerant\n',
    );
    await cluster.ok(['taint', 'node', node, 'lab-']);
  });

  it('can be closed, emptied and opened', async () => {
    const workload = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'rs' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'rs' } },
        template: { metadata: { labels: { app: 'rs' } }, spec: shellPod('', WAIT).spec },
      },
    };
    await cluster.create(workload);
    await cluster.ok(['wait', '--for=jsonpath={.status.readyReplicas}=2', 'rs/rs', '--timeout=20s']);
    assert.equal(await cluster.ok(['cordon', node]), `node/${node} cordoned\n`);
    assert.match(await cluster.ok(['get', 'node', node, '--no-headers']), / Ready,SchedulingDisabled /);
    const drained = await cluster.ok(['drain', node, '--timeout=20s'], { timeoutMs: 30_000 });
    assert.match(
      drained,
      /^node\/one\.test (already )?cordoned\n[\s\S]*pod\/rs-\w+ evicted\n[\s\S]*node\/one\.test drained\n$/,
    );
    const [pod] = (await cluster.json<{ items: Pod[] }>(['get', 'pods'])).items;
    assert.equal(
      await unschedulable(pod?.metadata.name ?? ''),
      '0/1 nodes are available: 1 node(s) were unschedulable.',
    );
    await cluster.create(
      shellPod('bare', WAIT, {
        spec: { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] },
      }),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/bare', '--timeout=20s']);
    assert.match(
      await cluster.refused(['drain', node, '--timeout=5s']),
      /cannot delete (cannot delete )?Pods that declare no controller \(use --force to override\): default\/bare/,
    );
    assert.equal(await cluster.ok(['uncordon', node]), `node/${node} uncordoned\n`);
    await cluster.ok(['wait', '--for=jsonpath={.status.readyReplicas}=2', 'rs/rs', '--timeout=20s']);
  });

  it('counts what pods on the node ask for', async () => {
    const cpus = Number(await cluster.ok(['get', 'node', node, '-o', 'jsonpath={.status.allocatable.cpu}']));
    const half = (name: string): object =>
      shellPod(name, WAIT, { container: { resources: { requests: { cpu: `${Math.floor(cpus * 600)}m` } } } });
    await cluster.create(half('h1'));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/h1', '--timeout=20s']);
    await cluster.create(half('h2'));
    assert.match(await unschedulable('h2'), /1 Insufficient cpu/);
    assert.match(await cluster.ok(['describe', 'node', node]), /\n {2}cpu +\d+m \(60%\)/);
    await cluster.ok(['delete', 'pod', 'h1', '--now']);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/h2', '--timeout=20s']);
  });
});
