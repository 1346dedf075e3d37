import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { describe, it, mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  identify,
  isAlive,
  killTree,
  type ProcessIdentity,
  processTree,
  signalProcess,
  untilGone,
} from './process-identity.ts';

describe('a process', () => {
  it('is alive only as itself', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const identity = identify(child.pid ?? 0);
    assert.ok(identity !== undefined);
    assert.equal(isAlive(identity), true);
    assert.equal(isAlive({ ...identity, startTime: '1' }), false, 'another process with that pid');
    assert.equal(isAlive({ ...identity, bootId: 'other' }), false, 'another boot');
    assert.equal(signalProcess({ ...identity, startTime: '1' }, 'SIGKILL'), false);
    assert.equal(isAlive(identity), true);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    assert.equal(signalProcess(identity, 'SIGKILL'), true);
    await gone;
    assert.equal(isAlive(identity), false);
    assert.equal(signalProcess(identity, 'SIGKILL'), false);
    assert.equal(identify(0), undefined);
  });

  it('is killed with all that is below it', async () => {
    const child = spawn('sh', ['-c', 'sh -c "sleep 61 & sleep 62" & sleep 63'], { stdio: 'ignore' });
    const identity = identify(child.pid ?? 0);
    assert.ok(identity !== undefined);
    for (let round = 0; processTree(identity).length < 5 && round < 200; round++) await delay(10);
    const tree = processTree(identity);
    assert.equal(tree.length, 5);
    await killTree(identity);
    assert.deepEqual(await Promise.all(tree.map((member) => untilGone(member, 5_000))), Array(5).fill(true));
    await killTree(identity);
  });

  it('is killed with what it starts while it is being killed', async () => {
    const child = spawn('sh', ['-c', 'read -r _; sleep 64 & sleep 65 & wait'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const root = identify(child.pid ?? 0);
    assert.ok(root !== undefined);
    const stdin = child.stdin as unknown as { readonly _handle: { readonly fd: number } };
    const kill = process.kill.bind(process);
    let tree: readonly ProcessIdentity[] = [root];
    // It forks between the look at what there is and the stop.
    const mocked = mock.method(process, 'kill', (pid: number, signal?: NodeJS.Signals) => {
      if (pid === root.pid && signal === 'SIGSTOP' && tree.length === 1) {
        writeSync(stdin._handle.fd, 'x\n');
        for (const until = Date.now() + 5_000; tree.length < 3 && Date.now() < until; ) tree = processTree(root);
      }
      return kill(pid, signal);
    });
    await killTree(root);
    mocked.mock.restore();
    assert.equal(tree.length, 3);
    assert.deepEqual(await Promise.all(tree.map((member) => untilGone(member, 5_000))), [true, true, true]);
  });
});
