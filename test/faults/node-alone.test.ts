import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Pod } from '../../src/api/generated/types.ts';
import { Background } from '../support/background.ts';
import { causeway, startCluster, type TestCluster } from '../support/cluster.ts';
import { endCluster } from '../support/end-cluster.ts';
import { shellPod, WAIT } from '../support/pods.ts';

/** A node whose kubelet is killed, and whose server is away when it starts again: its pods go on, once each, and static pods start. */

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

let directory: string;
let cluster: TestCluster;
let member: Background | undefined;
let port: number;

const inside = (name: string): string => join(directory, name);

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-test-alone-'));
  await chmod(directory, 0o755);
  await writeFile(inside('runs'), '');
  await chmod(inside('runs'), 0o666);
  port = await freePort();
  cluster = await startCluster({ flags: ['--secure-port', String(port)] });
});
after(async () => {
  await member?.stop();
  await endCluster(inside('node'));
  await cluster?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function start(...args: string[]): Background {
  const flags = ['--data-dir', inside('node'), '--port', '0', '--pod-manifest-path', inside('manifests')];
  const child = spawn(process.execPath, [MAIN, 'node', ...flags, '--shutdown-grace-period', '10s', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Background(child, 'causeway node');
}

/** Writes its name at each of its starts. In kube-system, for a hostPath is refused elsewhere. */
function traced(name: string): Pod {
  return shellPod(name, `echo ${name} >> /runs; ${WAIT}`, {
    namespace: 'kube-system',
    container: { volumeMounts: [{ name: 'runs', mountPath: '/runs' }] },
    spec: { volumes: [{ name: 'runs', hostPath: { path: inside('runs'), type: 'File' } }] },
  });
}

const runs = async (): Promise<string[]> => (await readFile(inside('runs'), 'utf8')).trim().split('\n').sort();

it('goes on with its pods, starts its static pods, and is a node again when the server is back', {
  timeout: 120_000,
}, async () => {
  await mkdir(inside('manifests'));
  const printed = await causeway(['token', 'create', '--print-join-command', '--data-dir', cluster.dataDirectory]);
  const [, , ...line] = printed.stdout.trim().split(/\s+/);
  member = start(...line, '--node-name', 'second');
  await member.until(/^node second: ready/m, 30_000);
  const plain = traced('plain');
  await cluster.create({ ...plain, spec: { ...plain.spec!, nodeName: 'second' } });
  await cluster.ok(['wait', '-n', 'kube-system', '--for=condition=Ready', 'pod/plain', '--timeout=20s']);

  const { dataDirectory } = cluster;
  await cluster.terminate();
  member.child.kill('SIGKILL');
  await member.ended;
  await writeFile(inside('manifests/static.json'), JSON.stringify(traced('static')));
  member = start();
  await cluster.until('the static pod', async () => (await runs()).includes('static'));
  assert.match(member.stdout, /no answer from 127\.0\.0\.1:\d+: .*; trying again/);
  assert.deepEqual(await runs(), ['plain', 'static']);

  cluster = await startCluster({ dataDirectory, flags: ['--secure-port', String(port)] });
  await member.until(/^node second: ready/m, 40_000);
  await cluster.until('the mirror', async () =>
    /Running/.test((await cluster.kubectl(['get', 'pod', 'static-second', '-n', 'kube-system'])).stdout),
  );
  await cluster.until('the pod', async () =>
    /Running/.test((await cluster.kubectl(['get', 'pod', 'plain', '-n', 'kube-system'])).stdout),
  );
  assert.deepEqual(await runs(), ['plain', 'static']);

  member.child.kill('SIGTERM');
  assert.equal(await member.ended, 0);
  assert.match(member.stdout, /stopping: pods first, within the shutdown grace period/);
  for (const name of ['plain', 'static-second']) {
    const { status } = await cluster.json<Pod>(['get', 'pod', name, '-n', 'kube-system']);
    assert.deepEqual([status?.phase, status?.reason], ['Failed', 'Terminated'], name);
  }
});
