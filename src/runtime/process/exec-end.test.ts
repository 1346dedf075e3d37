import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessStreams } from '../runtime.ts';
import { TestPod } from '../testing/pods.ts';
import { processesMarked } from './process-identity.ts';
import { createProcessRuntime } from './process-runtime.ts';
import { endUnclosed, openProcessRuntime, type ProcessFixture } from './testing/process-fixture.ts';

const NEVER = new AbortController().signal;
/** Nobody else on this machine sleeps for so long. */
const COMMAND = ['sleep', String(1_000_000 + process.pid)];

/** What the holder of a pod does (`scripts.ts`). */
const HOLDER_SLEEP = 'sleep 2147483647';

function commandOf(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

function running(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && commandOf(name) === COMMAND.join(' '));
}

describe('what exec started', () => {
  let fixture: ProcessFixture;
  beforeEach(async () => {
    fixture = await openProcessRuntime();
  });
  afterEach(endUnclosed);

  /** Processes of the runtime that have not become a command yet: from then on they bear no mark. */
  function marked(): Set<number> {
    const own = processesMarked('CAUSEWAY_STATE').marked.filter(
      ({ value }) => value === fixture.options.stateDirectory,
    );
    return new Set(own.map(({ pid }) => pid));
  }

  /** What is there beside `before` and does not go. */
  async function leftBeside(before: ReadonlySet<number>): Promise<string[]> {
    // The holder of a pod with a PID namespace of its own starts its sleep when it likes: the pod's, not an exec's.
    const ofPod = (pid: number): boolean => before.has(pid) || commandOf(pid) === HOLDER_SLEEP;
    const left = () => [...[...marked()].filter((pid) => !ofPod(pid)), ...running()];
    for (let round = 0; round < 250 && left().length > 0; round++) await delay(20);
    return left().map(commandOf);
  }

  const exec = (id: string, tty = false): Promise<ProcessStreams> =>
    fixture.runtime.exec(id, { command: COMMAND, stdin: true, stdout: true, stderr: !tty, tty }, NEVER);

  for (const tty of [false, true]) {
    it(`ends with its session at any moment${tty ? ', under a terminal too' : ''}`, { timeout: 120_000 }, async () => {
      const pod = await TestPod.run(fixture);
      const id = await pod.start();
      const before = marked();
      const longest = tty ? 160 : 40;
      for (let round = 0; round < 15; round++) {
        const end = async (n: number): Promise<void> => {
          const session = await exec(id, tty);
          await delay(((round + n / 4) * longest) / 15);
          session.close();
          await session.exited;
        };
        await Promise.all([0, 1, 2, 3].map(end));
      }
      assert.deepEqual(await leftBeside(before), []);
      await fixture.close();
    });
  }

  for (const shareProcessNamespace of [false, true]) {
    const where = shareProcessNamespace ? "in the pod's PID namespace" : 'in a PID namespace of its own';
    it(`ends with its container, ${where}`, { timeout: 120_000 }, async () => {
      const pod = await TestPod.run(fixture, { shareProcessNamespace });
      const before = marked();
      for (let round = 0; round < 12; round++) {
        const id = await pod.start({ attempt: round });
        const sessions = await Promise.all([0, 1, 2].map(() => exec(id)));
        await delay(round * 3);
        await fixture.runtime.stopContainer(id, 0);
        for (const { exited } of sessions) assert.notEqual((await exited).exitCode, 0);
        await assert.rejects(exec(id), { code: 'NotFound' });
        await fixture.runtime.removeContainer(id);
      }
      assert.deepEqual(await leftBeside(before), []);
      await fixture.close();
    });
  }

  it('ends with the runtime, and the container goes on', { timeout: 60_000 }, async () => {
    const pod = await TestPod.run(fixture);
    const id = await pod.start();
    const before = marked();
    const session = await exec(id);
    while (running().length === 0) await delay(10);
    await fixture.runtime.close();
    assert.equal((await session.exited).exitCode, 137);
    assert.deepEqual(await leftBeside(before), []);
    const again = await createProcessRuntime(fixture.options);
    assert.equal((await again.containerStatus(id)).state, 'running');
    await again.close();
  });
});
