import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { isCode } from '../lib/errors.ts';
import { isLockFile, lockDirectory } from './directory-lock.ts';

const child = new URL('./testing/lock-child.ts', import.meta.url).pathname;

describe('directory lock', () => {
  let root: string;
  const children = new Set<ChildProcess>();

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'causeway-lock-'));
  });
  after(async () => {
    for (const running of children) running.kill('SIGKILL');
    await rm(root, { recursive: true });
  });

  let count = 0;
  const fresh = async (): Promise<string> => {
    const directory = join(root, `d${++count}`);
    await mkdir(directory);
    return directory;
  };

  /** Starts a process that wants the lock; answers `locked` or its refusal. */
  const contend = async (directory: string): Promise<{ readonly process: ChildProcess; readonly said: string }> => {
    const running = spawn(process.execPath, [child, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.add(running);
    const [said] = (await once(createInterface(running.stdout), 'line')) as [string];
    return { process: running, said };
  };

  const kill = async (running: ChildProcess): Promise<void> => {
    const gone = once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
    children.delete(running);
  };

  const held = (pid: number) => (error: unknown) =>
    isCode(error, 'Conflict') && error.message.endsWith(`is in use by another process (pid ${pid})`);

  it('keeps others out until it is released, and leaves nothing', async () => {
    const directory = await fresh();
    const lock = await lockDirectory(directory);
    const before = await readdir(directory);
    await assert.rejects(lockDirectory(directory), held(process.pid));
    const other = await contend(directory);
    assert.match(other.said, new RegExp(`is in use by another process \\(pid ${process.pid}\\)$`));
    assert.deepEqual(await readdir(directory), before);
    await lock.release();
    assert.deepEqual(await readdir(directory), []);
    await (await lockDirectory(directory)).release();
  });

  it('ends with its process, even by kill -9', async () => {
    const directory = await fresh();
    const owner = await contend(directory);
    assert.equal(owner.said, 'locked');
    await assert.rejects(lockDirectory(directory), held(owner.process.pid ?? 0));
    await kill(owner.process);
    const lock = await lockDirectory(directory);
    assert.equal((await readdir(directory)).length, 1, 'the socket of the dead owner is gone');
    await lock.release();
  });

  it('is not given away while its owner is stopped', async () => {
    const directory = await fresh();
    const owner = await contend(directory);
    owner.process.kill('SIGSTOP');
    await assert.rejects(lockDirectory(directory), held(owner.process.pid ?? 0));
    await kill(owner.process);
  });

  it('has one owner when many start at once over a dead one', async () => {
    const directory = await fresh();
    for (let round = 0; round < 2; round++) {
      const contenders = await Promise.all(Array.from({ length: 5 }, () => contend(directory)));
      const owners = contenders.filter(({ said }) => said === 'locked');
      assert.ok(owners.length <= 1, `${owners.length} owners`);
      for (const { process: running } of contenders) await kill(running);
    }
    await (await lockDirectory(directory)).release();
  });

  it('works in a directory whose path is longer than a socket address', async () => {
    const directory = join(await fresh(), 'd'.repeat(120), 'e'.repeat(120));
    await mkdir(directory, { recursive: true });
    const lock = await lockDirectory(directory);
    await assert.rejects(lockDirectory(directory), held(process.pid));
    await lock.release();
  });

  it('takes only its own kind of names for locks, and a plain file for nothing', async () => {
    assert.equal(isLockFile('lock-12-0123456789abcdef'), true);
    assert.equal(isLockFile('.lock-12-0123456789abcdef'), true);
    for (const name of [
      'lock',
      'lock-12-0123456789abcdeg',
      'lock-12-0123456789abcdef0',
      'data.mdb-lock',
      'x.lock-1-0',
    ]) {
      assert.equal(isLockFile(name), false, name);
    }
    const directory = await fresh();
    await writeFile(join(directory, 'lock-12-0123456789abcdef'), '');
    await writeFile(join(directory, '.lock-12-0123456789abcdef'), '');
    await (await lockDirectory(directory)).release();
    assert.deepEqual(await readdir(directory), []);
  });
});
