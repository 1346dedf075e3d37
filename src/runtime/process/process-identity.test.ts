import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isAlive, killTree, processTree, signalProcess } from './process-identity.ts';

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
    for (let round = 0; processTree(identity.pid).length < 5 && round < 200; round++) await delay(10);
    const tree = processTree(identity.pid);
    assert.equal(tree.length, 5);
    const members = tree.map((pid) => identify(pid));
    killTree(identity);
    for (let round = 0; members.some((member) => member !== undefined && isAlive(member)) && round < 200; round++)
      await delay(10);
    assert.deepEqual(
      members.filter((member) => member !== undefined && isAlive(member)),
      [],
    );
  });
});
