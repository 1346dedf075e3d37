import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Pod } from '../../src/api/generated/types.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

const SYSTEM = ['-n', 'kube-system'];

let manifests: string;
let trace: string;
let cluster: TestCluster;

/** A static pod that leaves a line for each of its runs. */
function manifest(label: string): string {
  // Baseline pod security, which mirrors are subject to, has no hostPath in other namespaces.
  const pod = shellPod('web', `echo ${label} >> /trace/runs; ${WAIT}`, {
    namespace: 'kube-system',
    labels: { version: label },
    container: { volumeMounts: [{ name: 'trace', mountPath: '/trace' }] },
    spec: { volumes: [{ name: 'trace', hostPath: { path: trace } }] },
  });
  return JSON.stringify(pod);
}

const start = (dataDirectory?: string): Promise<TestCluster> =>
  startCluster({
    flags: ['--node-name', 'n1', '--pod-manifest-path', manifests],
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
  });

before(async () => {
  manifests = await mkdtemp(join(tmpdir(), 'causeway-manifests-'));
  trace = await mkdtemp(join(tmpdir(), 'causeway-trace-'));
  await chmod(trace, 0o777);
  await writeFile(join(manifests, 'web.json'), manifest('one'));
  await writeFile(join(manifests, 'broken.yaml'), 'kind: Pod\nspec: {containers: 3}\n');
  cluster = await start();
});
after(async () => {
  await cluster?.stop();
  for (const directory of [manifests, trace]) await rm(directory, { recursive: true, force: true });
});

async function mirror(): Promise<Pod | undefined> {
  const { stdout, code } = await cluster.kubectl(['get', 'pod', 'web-n1', ...SYSTEM, '-o', 'json']);
  return code === 0 ? (JSON.parse(stdout) as Pod) : undefined;
}

const running = (label: string): Promise<Pod> =>
  cluster.until(`web-n1 of version ${label} to run`, async () => {
    const pod = await mirror();
    return pod?.metadata.labels?.['version'] === label && pod.status?.phase === 'Running' && pod;
  });

const runs = async (): Promise<string[]> => (await readFile(join(trace, 'runs'), 'utf8')).trim().split('\n');

it('runs the pods of the directory, and shows them by mirrors', async () => {
  const pod = await running('one');
  assert.equal(pod.metadata.annotations?.['kubernetes.io/config.source'], 'file');
  assert.equal(pod.metadata.ownerReferences?.[0]?.kind, 'Node');
  assert.match(await cluster.ok(['describe', 'pod', 'web-n1', ...SYSTEM]), /Started {2,}/);
  assert.equal((await cluster.ok(['exec', 'web-n1', ...SYSTEM, '--', 'echo', 'inside'])).trim(), 'inside');
  assert.match(cluster.output(), /"path":".*broken.yaml".*"msg":"a static pod is not run"/);
});

it('makes the mirror again when it is deleted, and the pod runs on', async () => {
  const before = await running('one');
  await cluster.ok(['delete', 'pod', 'web-n1', ...SYSTEM, '--wait=false']);
  const again = await cluster.until('another mirror', async () => {
    const pod = await mirror();
    return pod?.metadata.uid !== before.metadata.uid && pod?.status?.phase === 'Running' && pod;
  });
  assert.equal(again.status?.containerStatuses?.[0]?.containerID, before.status?.containerStatuses?.[0]?.containerID);
  assert.deepEqual(await runs(), ['one']);
});

it('is not run twice when the kubelet was killed; the mirror goes when the file went meanwhile', async () => {
  const before = await running('one');
  const { dataDirectory } = cluster;
  await writeFile(join(manifests, 'brief.json'), JSON.stringify(shellPod('brief', WAIT)));
  await cluster.until('a second pod', async () => (await cluster.kubectl(['get', 'pod', 'brief-n1'])).code === 0);
  cluster.process.kill('SIGKILL');
  await cluster.terminate();
  await rm(join(manifests, 'brief.json'));
  cluster = await start(dataDirectory);
  await cluster.until('its end', async () => (await cluster.kubectl(['get', 'pod', 'brief-n1'])).code !== 0);
  const now = await running('one');
  assert.equal(now.status?.containerStatuses?.[0]?.containerID, before.status?.containerStatuses?.[0]?.containerID);
  assert.deepEqual(await runs(), ['one']);
});

it('replaces the pod when the file changes, and ends it when the file goes', async () => {
  await writeFile(join(manifests, 'web.json'), manifest('two'));
  await running('two');
  assert.deepEqual(await runs(), ['one', 'two']);
  await rm(join(manifests, 'web.json'));
  await cluster.until('the end of the mirror', async () => (await mirror()) === undefined);
});
