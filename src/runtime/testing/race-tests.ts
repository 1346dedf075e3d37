import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import { logLines, type RuntimeFixture, sandboxConfig, TestPod } from './pods.ts';

const NEVER = new AbortController().signal;
/** Milliseconds after which a start is met in its middle: from before its first process to after its last. */
const MOMENTS = [0, 1, 3, 6, 10, 15, 20, 30, 40, 60] as const;
/** Says that it runs, and goes on whatever it is asked. */
const DEAF = "echo $$ >>/data/ran; trap '' TERM; while :; do sleep 0.05; date +%s%N >/data/alive; done";

export function raceTests(fixture: () => RuntimeFixture): void {
  /** A runtime behind CRI takes longer for each, and has fewer moments of its own. */
  const moments = (): readonly number[] => (fixture().sees === 'host' ? MOMENTS : [0, 10, 60]);

  /** A pod with a container that is deaf and leaves traces in a volume, not started yet. */
  async function deafPod(): Promise<{ pod: TestPod; id: string; isWriting: () => Promise<boolean> }> {
    const pod = await TestPod.run(fixture());
    const data = pod.volume('data');
    await writeFile(join(data, 'ran'), '', { mode: 0o666 });
    await writeFile(join(data, 'alive'), '', { mode: 0o666 });
    const mounts = [{ containerPath: '/data', hostPath: data, readOnly: false }];
    const id = await pod.create({ command: ['sh', '-c', `umask 0; ${DEAF}`], mounts });
    const read = (): Promise<string> => readFile(join(data, 'alive'), 'utf8');
    return {
      pod,
      id,
      isWriting: async () => {
        const before = await read();
        await delay(300);
        return before !== (await read());
      },
    };
  }

  describe('what comes while something else goes on', () => {
    it('stop while it starts: it does not run afterwards', { timeout: 120_000 }, async () => {
      const { runtime } = fixture();
      for (const moment of moments()) {
        const { pod, id, isWriting } = await deafPod();
        const starting = runtime.startContainer(id).then(
          () => true,
          () => false,
        );
        await delay(moment);
        await runtime.stopContainer(id, 0);
        const { state } = await runtime.containerStatus(id);
        await starting;
        assert.equal(state, 'exited', `stopped after ${moment} ms`);
        assert.equal((await runtime.containerStatus(id)).state, 'exited');
        assert.equal(await isWriting(), false);
        await pod.remove();
      }
    });

    it('removal of the container or of its pod while it starts: nothing of it is left', {
      timeout: 120_000,
    }, async () => {
      const { runtime } = fixture();
      for (const moment of moments()) {
        const { pod, id, isWriting } = await deafPod();
        const starting = runtime.startContainer(id).catch(() => undefined);
        await delay(moment);
        if (moment % 2 === 0) await runtime.removeContainer(id);
        else await runtime.removePodSandbox(pod.id);
        await starting;
        await assert.rejects(runtime.containerStatus(id), (error) => isCode(error, 'NotFound'));
        assert.equal(await isWriting(), false);
        await pod.remove();
      }
    });

    it('a start while its pod is stopped is refused', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      await pod.start({ name: 'running' });
      const id = await pod.create({ name: 'late' });
      const stopping = runtime.stopPodSandbox(pod.id);
      await assert.rejects(runtime.startContainer(id), (error) => isCode(error, 'Invalid'));
      await assert.rejects(pod.create({ name: 'later' }), (error) => isCode(error, 'Invalid'));
      await stopping;
      assert.deepEqual(
        (await runtime.listContainers()).filter((c) => c.sandboxId === pod.id && c.state === 'running'),
        [],
      );
      await pod.remove();
    });

    it('removal of a pod while it is made', { timeout: 60_000 }, async () => {
      const { runtime, logDirectory } = fixture();
      for (const moment of moments()) {
        const config = sandboxConfig(logDirectory);
        const making = runtime.runPodSandbox(config, NEVER).catch(() => undefined);
        await delay(moment);
        const [known] = (await runtime.listPodSandboxes()).filter((s) => s.config.podUid === config.podUid);
        if (known !== undefined) await runtime.removePodSandbox(known.id);
        const made = await making;
        // A runtime may show it only when it is made.
        if (known === undefined && made !== undefined) await runtime.removePodSandbox(made);
        const left = (await runtime.listPodSandboxes()).filter((s) => s.config.podUid === config.podUid);
        assert.deepEqual(left, [], `removed after ${moment} ms`);
      }
    });

    it('a call that is called off makes no pod', async () => {
      const { runtime, logDirectory } = fixture();
      const config = sandboxConfig(logDirectory);
      const called = new AbortController();
      const making = runtime.runPodSandbox(config, called.signal);
      called.abort();
      await assert.rejects(making);
      assert.deepEqual(
        (await runtime.listPodSandboxes()).filter((s) => s.config.podUid === config.podUid),
        [],
      );
    });

    it('two removals at once, and a stop in the middle of another', async () => {
      const { runtime } = fixture();
      const { pod, id } = await deafPod();
      await runtime.startContainer(id);
      const graceful = runtime.stopContainer(id, 60);
      await Promise.all([runtime.removeContainer(id), runtime.removeContainer(id), runtime.removePodSandbox(pod.id)]);
      await graceful;
      await assert.rejects(runtime.containerStatus(id), (error) => isCode(error, 'NotFound'));
      await runtime.removePodSandbox(pod.id);
    });

    it('a second stop shortens the grace period, and does not ask twice', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({
        command: ['sh', '-c', "trap 'echo asked' TERM; echo up; while :; do sleep 0.02; done"],
      });
      const { logPath } = await runtime.containerStatus(id);
      const log = async (): Promise<string[]> => (existsSync(logPath) ? logLines(await readFile(logPath, 'utf8')) : []);
      while ((await log()).length < 1) await delay(10);
      const first = runtime.stopContainer(id, 600);
      while ((await log()).length < 2) await delay(10);
      await runtime.stopContainer(id, 1);
      await first;
      assert.equal((await runtime.containerStatus(id)).exitCode, 137);
      assert.deepEqual(await log(), ['stdout F up', 'stdout F asked']);
      await pod.remove();
    });

    it('many starts and ends at once: each command runs once, and all that it says is in its log', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const ids = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          pod.start({ name: `c${i}`, command: ['sh', '-c', `echo ${i}; exit ${i}`] }),
        ),
      );
      for (const [i, id] of ids.entries()) {
        let status = await runtime.containerStatus(id);
        for (; status.state !== 'exited'; status = await runtime.containerStatus(id)) await delay(10);
        assert.equal(status.exitCode, i);
        assert.deepEqual(logLines(await readFile(status.logPath, 'utf8')), [`stdout F ${i}`]);
      }
      await pod.remove();
    });

    it('the end of a container while a client of attach does not read: its log is whole', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      // More than is kept for the client, then a moment, then less than a pipe holds.
      const script =
        'read -r _; head -c 1050000 /dev/zero | tr "\\0" "a"; echo; sleep 1; head -c 30000 /dev/zero | tr "\\0" "b"; echo; echo end';
      const id = await pod.start({ command: ['sh', '-c', script], stdin: true });
      const stuck = await runtime.attach(id, { stdin: true, stdout: true, stderr: false, tty: false }, NEVER);
      stuck.stdin?.write('go\n');
      let status = await runtime.containerStatus(id);
      for (; status.state !== 'exited'; status = await runtime.containerStatus(id)) await delay(20);
      assert.match(await readFile(status.logPath, 'utf8'), / stdout F end\n$/);
      stuck.close();
      await pod.remove();
    });

    it('the end of a container takes what exec has running in it along, in a PID namespace that is shared too', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture(), { shareProcessNamespace: true });
      const other = await pod.start({ name: 'other' });
      const id = await pod.start({ name: 'main' });
      const options = { command: ['sleep', '1000'], stdin: false, stdout: true, stderr: true, tty: false };
      const streams = await runtime.exec(id, options, NEVER);
      streams.stdout?.resume();
      await runtime.stopContainer(id, 0);
      // Or it was not running yet, and could not be run any more.
      assert.notEqual((await streams.exited.catch(() => ({ exitCode: 137 }))).exitCode, 0);
      assert.equal((await runtime.containerStatus(other)).state, 'running');
      await pod.remove();
    });
  });
}
