import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import type { ProcessStreams, Runtime } from '../runtime.ts';
import { execute, type RuntimeFixture, shell, TestPod } from './pods.ts';

const NEVER = new AbortController().signal;

function terminal(runtime: Runtime, id: string, script: string): Promise<ProcessStreams> {
  return runtime.exec(
    id,
    { command: ['sh', '-c', script], stdin: true, stdout: true, stderr: false, tty: true },
    NEVER,
  );
}

/** Collects a stream, and waits until what came matches. */
class Screen {
  text = '';
  readonly #streams: ProcessStreams;

  constructor(streams: ProcessStreams) {
    this.#streams = streams;
    streams.stdout?.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('utf8');
    });
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (let round = 0; round < 1000; round++) {
      const match = pattern.exec(this.text);
      if (match !== null) return match;
      await delay(10);
    }
    throw new Error(`${pattern} did not come; seen: ${JSON.stringify(this.text)}`);
  }

  type(text: string): void {
    this.#streams.stdin?.write(text);
  }
}

export function execTests(fixture: () => RuntimeFixture): void {
  describe('exec', () => {
    it('keeps stdout and stderr apart and gives the exit code', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      assert.deepEqual(await shell(runtime, id, 'echo out; echo err >&2; exit 42'), {
        stdout: 'out\n',
        stderr: 'err\n',
        exitCode: 42,
      });
      assert.equal((await shell(runtime, id, 'kill -KILL $$')).exitCode, 137);
      assert.deepEqual(await execute(runtime, id, ['printf', '%s', 'a b']), { stdout: 'a b', stderr: '', exitCode: 0 });
      await pod.remove();
    });

    it('passes 20 MB through whole, and ends its input without ending its output', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const input = randomBytes(20 * 1024 * 1024);
      const { stdout, exitCode } = await execute(runtime, id, ['sh', '-c', 'sha256sum; echo after'], { input });
      assert.equal(exitCode, 0);
      assert.equal(stdout, `${createHash('sha256').update(input).digest('hex')}  -\nafter\n`);
      await pod.remove();
    });

    it('lets scripts open /dev/stdin, /dev/stdout and /dev/stderr by name', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const result = await execute(runtime, id, ['sh', '-c', 'cat /dev/stdin >/dev/stdout; echo e >/dev/stderr'], {
        input: 'in',
      });
      assert.deepEqual(result, { stdout: 'in', stderr: 'e\n', exitCode: 0 });
      await pod.remove();
    });

    it('says what is wrong with a command as OCI runtimes do, by 126 and 127', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const shellOf = (command: readonly string[]) => execute(runtime, id, command);
      if (fixture().sees === 'image') {
        // Behind CRI it is the call that fails, as kubectl shows it.
        await assert.rejects(
          shellOf(['no-such-program']),
          /exec: "no-such-program": executable file not found in \$PATH/,
        );
        await assert.rejects(shellOf(['/etc/hostname']), /exec: "\/etc\/hostname": permission denied/);
        return pod.remove();
      }
      const prefix = 'OCI runtime exec failed: exec failed: unable to start container process: ';
      const missing = await execute(runtime, id, ['no-such-program']);
      assert.equal(missing.exitCode, 127);
      assert.equal(missing.stderr, `${prefix}exec: "no-such-program": executable file not found in $PATH\n`);
      const denied = await execute(runtime, id, ['/etc/hostname']);
      assert.equal(denied.exitCode, 126);
      assert.equal(denied.stderr, `${prefix}exec: "/etc/hostname": permission denied\n`);
      await pod.remove();
    });

    it('is NotFound in a container that does not run', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const created = await pod.create({ name: 'created' });
      await assert.rejects(shell(runtime, created, 'true'), (error) => isCode(error, 'NotFound'));
      const { id } = await pod.script('true', { name: 'ended' });
      await assert.rejects(shell(runtime, id, 'true'), (error) => isCode(error, 'NotFound'));
      await pod.remove();
    });

    it('has the namespaces, user, environment and working directory of the container', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({ env: [{ name: 'SECRET', value: 's3cr3t' }], workingDir: '/usr' });
      const compare =
        'for n in mnt pid net ipc uts cgroup; do [ "$(readlink /proc/1/ns/$n)" = "$(readlink /proc/self/ns/$n)" ] || echo $n; done';
      assert.equal((await shell(runtime, id, compare)).stdout, '');
      const status = (pid: string): string =>
        `grep -E "^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp):" /proc/${pid}/status`;
      assert.equal((await shell(runtime, id, status('self'))).stdout, (await shell(runtime, id, status('1'))).stdout);
      assert.equal((await shell(runtime, id, 'echo "$SECRET"; pwd')).stdout, 's3cr3t\n/usr\n');
      await pod.remove();
    });

    it('kills the process when the streams are closed or the call is called off', async (t) => {
      if (fixture().sees === 'image') return t.skip('CRI has no way to say it');
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const abort = new AbortController();
      const options = { stdin: false, stdout: true, stderr: true, tty: false };
      const closed = await runtime.exec(id, { ...options, command: ['sleep', '7001'] }, NEVER);
      const aborted = await runtime.exec(id, { ...options, command: ['sleep', '7002'] }, abort.signal);
      const typed = await terminal(runtime, id, 'sleep 7003; :');
      const running = 'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -c ^700 || :';
      const count = async (expected: number): Promise<void> => {
        for (let round = 0; (await shell(runtime, id, running)).stdout !== `${expected}\n`; round++) {
          assert.ok(round < 100, `not ${expected} processes`);
          await delay(50);
        }
      };
      await count(3);
      closed.close();
      abort.abort();
      typed.close();
      for (const { exited } of [closed, aborted, typed]) assert.notEqual((await exited).exitCode, 0);
      await count(0);
      await pod.remove();
    });

    it('runs many at once', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const results = await Promise.all(
        // containerd 1.6 stands still for a while with many more.
        Array.from({ length: fixture().sees === 'host' ? 40 : 10 }, (_, n) =>
          shell(runtime, id, `echo ${n}; exit ${n}`),
        ),
      );
      results.forEach((result, n) => {
        assert.deepEqual(result, { stdout: `${n}\n`, stderr: '', exitCode: n });
      });
      await pod.remove();
    });

    it('is not held open by a process left in the background', async (t) => {
      if (fixture().sees === 'image') return t.skip('containerd waits for whoever holds the output');
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const began = performance.now();
      const { stdout, exitCode } = await shell(runtime, id, 'sleep 60 & echo started');
      assert.deepEqual([stdout, exitCode], ['started\n', 0]);
      assert.ok(performance.now() - began < 10_000);
      await pod.remove();
    });

    it('gives a terminal: name, size, resize, job control, exit code', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const streams = await terminal(
        runtime,
        id,
        'trap "stty size; echo resized" WINCH; tty; test -t 0 && test -t 1 && test -t 2 && echo all; echo ready; until read line; do :; done; echo "got $line"; exit 9',
      );
      const screen = new Screen(streams);
      await screen.until(/ready/);
      assert.match(screen.text, /^\/dev\/pts\/\d+\r\nall\r\n/);
      streams.resize(132, 43);
      await delay(200);
      screen.type('a line\n');
      await screen.until(/got a line/);
      assert.match(screen.text, /43 132\r\nresized/);
      assert.equal((await streams.exited).exitCode, 9);
      assert.equal(streams.stderr, undefined);
      await pod.remove();
    });

    it('passes control characters of a terminal on as signals', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const streams = await terminal(
        runtime,
        id,
        'trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.1; done',
      );
      const screen = new Screen(streams);
      await screen.until(/ready/);
      screen.type('\u0003');
      assert.equal((await streams.exited).exitCode, 5);
      await screen.until(/interrupted/);
      await pod.remove();
    });
  });
}
