import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../lib/clock.ts';
import { isCode } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import { readLog } from '../../streaming/logs/log-reader.ts';
import { exitOf, shell, TestPod } from '../testing/pods.ts';
import { createCriRuntime } from './cri-runtime.ts';
import { loopbackTarget, openStreamSession } from './stream-upgrade.ts';
import { obstacle } from './testing/containerd.ts';
import { type CriFixture, openCriRuntime } from './testing/cri-fixture.ts';

const NEVER = new AbortController().signal;

describe('containerd by CRI, when something is wrong', { skip: obstacle() ?? false, concurrency: 1 }, () => {
  let fixture: CriFixture;
  before(async () => {
    fixture = await openCriRuntime();
  });
  after(() => fixture?.close());

  it('containerd is killed: calls fail at once, containers run on, and what ended meanwhile is known', async () => {
    const { runtime, containerd } = fixture;
    const pod = await TestPod.run(fixture);
    const stays = await pod.start({ name: 'stays' });
    const ends = await pod.start({ name: 'ends', command: ['sh', '-c', 'sleep 1; exit 5'] });
    await containerd.kill();
    await assert.rejects(runtime.listContainers(), (error) => isCode(error, 'ServiceUnavailable'));
    const status = await runtime.status();
    assert.equal(status.ready, false);
    assert.match(status.message, /no container runtime answers/);
    await delay(1_200);
    const ended = exitOf(runtime, ends, 20_000).catch(() => undefined);
    await containerd.run();
    const seen = (await ended) ?? (await exitOf(runtime, ends, 20_000));
    assert.equal(seen.exitCode, 5);
    assert.equal((await runtime.containerStatus(stays)).state, 'running');
    assert.equal((await shell(runtime, stays, 'echo here')).stdout, 'here\n');
    await assert.rejects(runtime.startContainer(stays), (error) => isCode(error, 'Invalid'));
    await pod.remove();
  });

  it('two nodes use one containerd: each has its own pods, and the next run of a node takes its own up', async () => {
    const { runtime, containerd } = fixture;
    const pod = await TestPod.run(fixture, { annotations: { 'causeway.dev/owner': 'forged', a: 'b' } });
    const id = await pod.start();
    const options = { socketPath: containerd.socketPath, nodeAddresses: [], log: silentLog, clock: systemClock };
    const other = await createCriRuntime({ ...options, stateDirectory: join(containerd.directory, 'other') });
    assert.deepEqual(await other.listPodSandboxes(), []);
    assert.deepEqual(await other.listContainers(), []);
    await other.close();
    const again = await fixture.again();
    const [sandbox] = await again.listPodSandboxes();
    assert.equal(sandbox?.id, pod.id);
    assert.equal((await again.containerStatus(id)).state, 'running');
    await again.close();
    assert.equal((await runtime.containerStatus(id)).state, 'running');
    await pod.remove();
  });

  it('a log grows without end: it is rotated, and who follows it misses nothing', { timeout: 60_000 }, async () => {
    const { runtime } = fixture;
    const pod = await TestPod.run(fixture);
    // More than one file, and longer than the time between two looks at it.
    const lines = 400_000;
    const script =
      'i=0; while [ $i -lt 5 ]; do seq $((i * 80000 + 1)) $(((i + 1) * 80000)); i=$((i + 1)); sleep 1; done';
    const id = await pod.start({ command: ['sh', '-c', `${script}; exec sleep 1000`] });
    const { logPath } = await runtime.containerStatus(id);
    const over = new AbortController();
    let expected = 1;
    let rest = '';
    const source = { path: logPath, ended: new Promise<void>(() => undefined) };
    for await (const piece of readLog(source, { follow: true, timestamps: false }, over.signal)) {
      const parts = (rest + piece.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) assert.equal(Number(part), expected++);
      if (expected > lines) over.abort();
    }
    assert.equal(expected, lines + 1);
    const files = readdirSync(dirname(logPath));
    assert.ok(files.length > 1 && files.length <= 5, files.join(', '));
    await pod.remove();
  });

  it('a runtime that sends streams elsewhere is not followed, and tokens stand in no message', async (t) => {
    for (const url of [
      'http://192.0.2.1:1/exec/T0KEN',
      'https://127.0.0.1:1/exec/T0KEN',
      'http://localhost:1/T0KEN',
      'http://127.0.0.1.example/T0KEN',
      'http://[::2]/T0KEN',
      'T0KEN',
    ])
      assert.throws(
        () => loopbackTarget(url),
        (error) => error instanceof Error && !error.message.includes('T0KEN') && /CausewayError/.test(error.name),
        url,
      );
    assert.deepEqual(loopbackTarget('http://[::1]:10/exec/x?y'), { host: '::1', port: 10, path: '/exec/x?y' });
    const server = createServer((_, response) => response.writeHead(403).end('T0KEN')).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await assert.rejects(openStreamSession(`http://127.0.0.1:${port}/exec/T0KEN`, 'v4.channel.k8s.io', NEVER), {
      message: 'the container runtime refused the stream with HTTP 403',
    });
    server.close();
    server.closeAllConnections();
    await assert.rejects(
      openStreamSession(`http://127.0.0.1:${port}/exec/T0KEN`, 'v4.channel.k8s.io', NEVER),
      /streaming server does not answer \(ECONNREFUSED\)/,
    );
  });

  it('an image cannot be run as it is asked for: it says why', async () => {
    const pod = await TestPod.run(fixture);
    await assert.rejects(
      pod.create({ image: 'causeway.test/none:1' }),
      /image "causeway.test\/none:1" is not on this node/,
    );
    await assert.rejects(pod.create({ security: { seccomp: 'Localhost/none.json' } }), /there is no "none.json"/);
    await assert.rejects(pod.create({ stopSignal: 'SIGUSR1' }), /cannot honour lifecycle\.stopSignal/);
    assert.deepEqual(
      (await fixture.runtime.listContainers()).filter(({ sandboxId }) => sandboxId === pod.id),
      [],
    );
    await pod.create({ security: { runAsNonRoot: true } });
    await assert.rejects(pod.create({ name: 'root', security: { runAsUser: 0, runAsNonRoot: true } }), /runAsNonRoot/);
    await pod.remove();
  });
});
