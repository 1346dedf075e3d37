import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import type { ContainerConfig, PodSandboxConfig, Runtime } from '../runtime.ts';
import { freePodCidr } from '../testing/free-pod-cidr.ts';
import { containerConfig, exitOf, logLines, sandboxConfig, shell } from '../testing/pods.ts';
import { createProcessRuntime, type ProcessRuntimeOptions } from './process-runtime.ts';
import type { HoldPods } from './testing/hold-pods.ts';
import { leftoversOf, settledLeftoversOf } from './testing/leftovers.ts';

const PROGRAM = fileURLToPath(new URL('./testing/hold-pods.ts', import.meta.url));

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 400; round++) {
    if (await condition()) return;
    await delay(25);
  }
  throw new Error(`${what} did not come to be`);
}

describe('after kill -9 of Causeway', () => {
  let directory: string;
  let options: Omit<ProcessRuntimeOptions, 'log' | 'clock'>;
  let runtime: Runtime | undefined;
  let holder: ChildProcess | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-adopt-'));
    const podsDirectory = join(directory, 'pods');
    mkdirSync(podsDirectory);
    const stateDirectory = join(directory, 'runtime');
    options = { stateDirectory, nodePodCidr: freePodCidr(), hidden: [directory], podsDirectory };
  });
  afterEach(async () => {
    holder?.kill('SIGKILL');
    runtime ??= await createProcessRuntime({ ...options, log: silentLog, clock: systemClock });
    for (const { id } of await runtime.listPodSandboxes()) await runtime.removePodSandbox(id);
    await runtime.close();
    runtime = undefined;
    assert.deepEqual(await settledLeftoversOf(options.stateDirectory), []);
    rmSync(directory, { recursive: true });
  });

  async function hold(
    containers: readonly ContainerConfig[],
    change: Partial<PodSandboxConfig> = {},
    execs: HoldPods['execs'] = [],
  ): Promise<{ sandboxId: string; ids: string[]; kill: () => Promise<void> }> {
    const plan: HoldPods = { options, containers, execs, sandbox: sandboxConfig(join(directory, 'logs'), change) };
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(plan)], { stdio: ['ignore', 'pipe', 'inherit'] });
    holder = child;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    const told = await new Promise<string>((resolve) =>
      child.stdout.once('data', (chunk: Buffer) => resolve(String(chunk))),
    );
    return {
      ...(JSON.parse(told) as { sandboxId: string; ids: string[] }),
      kill: async () => {
        child.kill('SIGKILL');
        await gone;
      },
    };
  }

  async function restart(): Promise<Runtime> {
    runtime = await createProcessRuntime({ ...options, log: silentLog, clock: systemClock });
    return runtime;
  }

  it('pods run on, their log goes on without a gap, and exec, attach and stop work', async () => {
    const { ids, sandboxId, kill } = await hold([
      containerConfig({
        stdin: true,
        command: [
          'sh',
          '-c',
          'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; sleep 0.01; done; while read l; do echo got $l; done',
        ],
      }),
    ]);
    const [id = ''] = ids;
    const before = JSON.parse(
      readFileSync(join(options.stateDirectory, 'sandboxes', sandboxId, 'sandbox.json'), 'utf8'),
    );
    await delay(300);
    await kill();
    await delay(300);
    const adopted = await restart();
    const [sandbox] = await adopted.listPodSandboxes();
    assert.equal(sandbox?.state, 'ready');
    assert.deepEqual(sandbox?.config, before.config);
    if (before.address !== undefined) assert.deepEqual(sandbox?.ips, [before.address]);
    const status = await adopted.containerStatus(id);
    assert.equal(status.state, 'running');
    assert.equal((await shell(adopted, id, 'echo here')).stdout, 'here\n');
    const lines = (): string[] => logLines(readFileSync(status.logPath, 'utf8'));
    await until('the last line', () => lines().includes('stdout F line 400'));
    const numbers = lines().map((line) => Number(/^stdout F line (\d+)$/.exec(line)?.[1]));
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
      'in order, none twice',
    );
    // What was read from the pipe and not yet written at the moment of the kill is the one thing that can be missing.
    assert.ok(numbers.length >= 399, `${400 - numbers.length} lines are missing`);
    const signal = new AbortController().signal;
    const client = await adopted.attach(id, { stdin: true, stdout: true, stderr: true, tty: false }, signal);
    client.stdin?.write('word\n');
    await until('the answer', () => lines().includes('stdout F got word'));
    client.close();
    await adopted.stopContainer(id, 0);
    assert.equal((await adopted.containerStatus(id)).exitCode, 137);
  });

  it('the exit code and the last output of what ended meanwhile are known', async () => {
    const { ids, kill } = await hold([
      containerConfig({ name: 'bad', command: ['sh', '-c', 'sleep 0.5; echo last words; exit 9'] }),
      containerConfig({ name: 'good', command: ['sh', '-c', 'sleep 0.5; printf "no newline" >&2'] }),
    ]);
    await kill();
    await delay(1_500);
    const adopted = await restart();
    const [bad, good] = await Promise.all(ids.map((id) => exitOf(adopted, id)));
    assert.deepEqual([bad?.exitCode, bad?.reason, good?.exitCode, good?.reason], [9, 'Error', 0, 'Completed']);
    assert.ok(
      bad?.finishedAt !== undefined && bad.finishedAt < Date.now() - 500,
      'when it ended, not when it was found',
    );
    assert.deepEqual(logLines(readFileSync(bad?.logPath ?? '', 'utf8')), ['stdout F last words']);
    assert.deepEqual(logLines(readFileSync(good?.logPath ?? '', 'utf8')), ['stderr F no newline']);
  });

  it('a container with a terminal runs on', async () => {
    const script = 'trap "echo hung up" HUP; while read l; do echo "got $l"; stty size; done';
    const { ids, kill } = await hold([containerConfig({ tty: true, stdin: true, command: ['sh', '-c', script] })]);
    await kill();
    await delay(200);
    const adopted = await restart();
    const signal = new AbortController().signal;
    const client = await adopted.attach(ids[0] ?? '', { stdin: true, stdout: true, stderr: false, tty: true }, signal);
    let seen = '';
    client.stdout?.on('data', (chunk: Buffer) => {
      seen += chunk.toString('utf8');
    });
    client.resize(90, 30);
    await until('an answer with the new size', () => {
      client.stdin?.write('x\n');
      return /got x\r\n30 90\r\n/.test(seen);
    });
    assert.doesNotMatch(seen, /hung up/);
    client.close();
  });

  it('a pod whose processes share a PID namespace is found again, and goes as a whole', async () => {
    const { ids, sandboxId, kill } = await hold([containerConfig({ name: 'a' }), containerConfig({ name: 'b' })], {
      shareProcessNamespace: true,
    });
    await kill();
    const adopted = await restart();
    const count = 'for p in /proc/[0-9]*; do [ "$(tr "\\0" " " <$p/cmdline)" = "sleep 1000 " ] && echo x; done | wc -l';
    assert.equal((await shell(adopted, ids[1] ?? '', count)).stdout, '2\n');
    await adopted.removePodSandbox(sandboxId);
    assert.deepEqual(await settledLeftoversOf(options.stateDirectory), []);
  });

  it('what was only half made is taken away', async () => {
    const { sandboxId, kill } = await hold([]);
    await kill();
    // As if Causeway had died before it wrote the record, or while it wrote.
    rmSync(join(options.stateDirectory, 'sandboxes', sandboxId, 'sandbox.json'));
    const cut = join(options.stateDirectory, 'containers', 'f'.repeat(64));
    mkdirSync(cut, { recursive: true });
    writeFileSync(join(cut, 'container.json'), '{"id":"f');
    await until('what is left', () => leftoversOf(options.stateDirectory).length > 0);
    const adopted = await restart();
    assert.deepEqual(await adopted.listPodSandboxes(), []);
    assert.deepEqual(await adopted.listContainers(), []);
    assert.deepEqual(await settledLeftoversOf(options.stateDirectory), []);
    assert.deepEqual(readdirSync(join(options.stateDirectory, 'containers')), []);
    assert.deepEqual(readdirSync(join(options.stateDirectory, 'sandboxes')), []);
  });

  it('what exec had running does not go on, for nobody reads it', async () => {
    const trap = ['sh', '-c', "trap '' HUP PIPE TERM; sleep 4321; sleep 4322"];
    const { ids, kill } = await hold([containerConfig({ tty: true })], {}, [trap]);
    const [id = ''] = ids;
    const running = (): number =>
      readdirSync('/proc').filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === 'sleep\x004321\0';
        } catch {
          return false;
        }
      }).length;
    await until('the command', () => running() === 1);
    await kill();
    const adopted = await restart();
    await until('its end', () => running() === 0);
    assert.equal((await adopted.containerStatus(id)).state, 'running');
    assert.equal((await shell(adopted, id, 'cat /proc/1/cmdline | tr "\\0" " "')).stdout, 'sleep 1000 ');
  });

  it('a stop that was cut off goes on', async () => {
    const { sandboxId, kill } = await hold([]);
    await kill();
    const path = join(options.stateDirectory, 'sandboxes', sandboxId, 'sandbox.json');
    const record = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...record, stopped: true }));
    const adopted = await restart();
    assert.deepEqual(await settledLeftoversOf(options.stateDirectory), []);
    const [known] = await adopted.listPodSandboxes();
    assert.deepEqual([known?.state, known?.ips], ['not-ready', []]);
  });

  it('a start that was cut off at any moment leaves nothing running', { timeout: 120_000 }, async () => {
    for (const after of [0, 5, 10, 15, 20, 30, 45, 60]) {
      const plan: HoldPods = {
        options,
        sandbox: sandboxConfig(join(directory, 'logs')),
        containers: [containerConfig({ command: ['sleep', '77777'] })],
      };
      const child = spawn(process.execPath, [PROGRAM, JSON.stringify(plan)], { stdio: 'ignore' });
      holder = child;
      const sandboxes = join(options.stateDirectory, 'sandboxes');
      const containers = join(options.stateDirectory, 'containers');
      const any = (path: string): boolean => existsSync(path) && readdirSync(path).length > 0;
      await until('a sandbox', () => any(after < 20 ? sandboxes : containers));
      await delay(after);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const adopted = await restart();
      for (const container of await adopted.listContainers())
        assert.ok(
          container.state !== 'unknown' && (container.state !== 'created' || container.startedAt === undefined),
        );
      for (const { id } of await adopted.listPodSandboxes()) await adopted.removePodSandbox(id);
      await adopted.close();
      runtime = undefined;
      assert.deepEqual(await settledLeftoversOf(options.stateDirectory), [], `killed after ${after} ms`);
    }
  });

  it('a start that was cut off at any moment comes to its end, and the command runs once', {
    timeout: 180_000,
  }, async () => {
    for (const after of [0, 5, 10, 15, 20, 25, 30, 40, 50, 65, 80]) {
      const sandbox = sandboxConfig(join(directory, 'logs'));
      const data = join(options.podsDirectory ?? '', sandbox.podUid, 'data');
      mkdirSync(data, { recursive: true });
      chmodSync(data, 0o777);
      const mounts = [{ containerPath: '/data', hostPath: data, readOnly: false }];
      const command = ['sh', '-c', 'echo ran >>/data/ran; exec sleep 1000'];
      const plan: HoldPods = { options, sandbox, containers: [containerConfig({ command, mounts })] };
      const child = spawn(process.execPath, [PROGRAM, JSON.stringify(plan)], { stdio: 'ignore' });
      holder = child;
      const containers = join(options.stateDirectory, 'containers');
      await until('a container', () => existsSync(containers) && readdirSync(containers).length > 0);
      await delay(after);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const adopted = await restart();
      for (const { id, state } of await adopted.listContainers()) {
        assert.ok(state === 'created' || state === 'running', `${state}, killed after ${after} ms`);
        if (state === 'created') await adopted.startContainer(id);
        await until('the command', () => existsSync(join(data, 'ran')));
        assert.equal((await adopted.containerStatus(id)).state, 'running');
      }
      await delay(20);
      if (existsSync(join(data, 'ran'))) assert.equal(readFileSync(join(data, 'ran'), 'utf8'), 'ran\n');
      for (const { id } of await adopted.listPodSandboxes()) await adopted.removePodSandbox(id);
      await adopted.close();
      runtime = undefined;
      assert.deepEqual(await settledLeftoversOf(options.stateDirectory), [], `killed after ${after} ms`);
    }
  });

  it('a killed supervisor of a container is noticed, and the container ends with it', async () => {
    const { ids, kill, sandboxId } = await hold([
      containerConfig({ name: 'a' }),
      containerConfig({ name: 'b', stdin: true, tty: true }),
      containerConfig({ name: 'c', stdin: true }),
    ]);
    const records = ids.map((id) =>
      JSON.parse(readFileSync(join(options.stateDirectory, 'containers', id, 'container.json'), 'utf8')),
    );
    // One while nobody looks, the others then.
    await kill();
    process.kill(records[2].shim.pid, 'SIGKILL');
    const adopted = await restart();
    for (const [id = '', record] of [ids[0], ids[1]].map((id, i) => [id, records[i]])) {
      process.kill(record.shim.pid, 'SIGKILL');
      const status = await exitOf(adopted, id);
      assert.equal(status.exitCode, 137);
      assert.match(status.message ?? '', /tended/);
    }
    assert.equal((await adopted.containerStatus(ids[2] ?? '')).exitCode, 255);
    for (const { init } of records) await until('the end of the container', () => !existsSync(`/proc/${init.pid}`));
    await adopted.stopPodSandbox(sandboxId);
    assert.deepEqual(await settledLeftoversOf(options.stateDirectory), []);
  });
});
