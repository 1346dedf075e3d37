import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { CausewayError, isCode } from '../../lib/errors.ts';
import { MAX_COMMIT_MS, MAX_COMMIT_TXNS, MAX_PENDING_TXNS } from '../limits.ts';
import type { TxnOp, WatchEvent } from '../store.ts';
import { CommitQueue, type CommitTarget } from './commit-queue.ts';
import type { Change } from './records.ts';
import type { Snapshot } from './tables.ts';

/** Empty tables that do with each commit what the test says. */
function fakeTables(append: (changes: readonly Change[]) => Promise<void>): CommitTarget {
  const snapshot: Snapshot = {
    state: () => 0,
    index: () => undefined,
    log: () => undefined,
    indexRange: () => [],
    logRange: () => [],
    done: () => undefined,
  };
  return { snapshot: () => snapshot, append, upkeep: () => append([]) };
}

interface Harness {
  readonly queue: CommitQueue;
  readonly commits: (readonly Change[])[];
  readonly published: WatchEvent[];
}

function harness(behave: (commit: number) => Promise<void>, fatal = false): Harness {
  const commits: (readonly Change[])[] = [];
  const published: WatchEvent[] = [];
  const queue = new CommitQueue({
    tables: fakeTables((changes) => behave(commits.push(changes))),
    revision: 0,
    committed: (_, events) => published.push(...events),
    explain: async (cause) => ({ error: new CausewayError('ServiceUnavailable', 'explained', { cause }), fatal }),
  });
  return { queue, commits, published };
}

const put = (key: string, expected?: number): TxnOp => ({ type: 'put', key, expected, encode: () => Buffer.from(key) });
const explained = (error: unknown): boolean => isCode(error, 'ServiceUnavailable') && error.message === 'explained';

describe('commit queue', () => {
  it('lets those that come together, and those that come during a commit, share one', async () => {
    let release = (): void => undefined;
    const { queue, commits } = harness(async (commit) => {
      if (commit !== 1) return;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    });
    const first = [queue.txn([put('/a')]), queue.txn([put('/b')])];
    while (commits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = Array.from({ length: 20 }, (_, i) => queue.txn([put(`/c${i}`)]));
    release();
    const results = await Promise.all([...first, ...second]);
    assert.deepEqual(
      results.map((result) => result.ok && result.revision),
      Array.from({ length: 22 }, (_, i) => i + 1),
    );
    assert.deepEqual(
      commits.map((changes) => changes.length),
      [2, 20],
    );
  });

  it('splits what is more than one commit takes', async () => {
    const { queue, commits } = harness(() => Promise.resolve());
    await Promise.all(Array.from({ length: MAX_COMMIT_TXNS + 1 }, (_, i) => queue.txn([put(`/${i}`)])));
    assert.deepEqual(
      commits.map((changes) => changes.length),
      [MAX_COMMIT_TXNS, 1],
    );
  });

  it('starts what is submitted at any moment around the end of a commit', async () => {
    const { queue } = harness(() => Promise.resolve());
    for (let i = 0; i < 200; i++) {
      await queue.txn([put(`/${i}`)]);
      for (let turn = 0; turn < i % 7; turn++) await Promise.resolve();
    }
    assert.equal(queue.revision, 200);
  });

  it('answers those of a commit when the next one is on its way', async () => {
    const { queue, commits } = harness(() => new Promise((resolve) => setImmediate(resolve)));
    const seen: number[] = [];
    const write = (key: string): Promise<void> =>
      queue.txn([put(key)]).then(() => {
        seen.push(commits.length);
      });
    const first = write('/a');
    while (commits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([first, write('/b')]);
    assert.deepEqual(seen, [2, 2]);
  });

  it('takes back all of a commit that fails, and goes on', async () => {
    const { queue, published } = harness((commit) =>
      commit === 1 ? Promise.reject(new Error('EIO')) : Promise.resolve(),
    );
    const failed = await Promise.allSettled([
      queue.txn([put('/a', 0)]),
      queue.txn([put('/a', 1)]),
      // This answer rests on what was not written.
      queue.txn([put('/a', 0)]),
    ]);
    for (const result of failed) assert.ok(result.status === 'rejected' && explained(result.reason));
    assert.equal(queue.revision, 0);
    assert.equal(published.length, 0);
    const again = await queue.txn([put('/a', 0)]);
    assert.deepEqual(again.ok && again.revision, 1);
    assert.deepEqual(
      published.map((event) => [event.key, event.revision]),
      [['/a', 1]],
    );
  });

  it('writes nothing more after a fatal error', async () => {
    const { queue, commits } = harness(() => Promise.reject(new Error('panic')), true);
    await assert.rejects(queue.txn([put('/a')]), explained);
    await assert.rejects(queue.txn([put('/b')]), explained);
    await assert.rejects(
      queue.upkeep(() => []),
      explained,
    );
    assert.equal(commits.length, 1);
    await queue.close();
  });

  it('gives up on a disk that does not answer', async (test: TestContext) => {
    test.mock.timers.enable({ apis: ['setTimeout'] });
    const { queue, commits } = harness(() => new Promise(() => undefined));
    const waiting = queue.txn([put('/a')]);
    const stuck = (error: unknown): boolean => isCode(error, 'InternalError') && /does not answer/.test(error.message);
    const rejected = assert.rejects(waiting, stuck);
    while (commits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const next = assert.rejects(queue.txn([put('/b')]), stuck);
    test.mock.timers.tick(MAX_COMMIT_MS);
    await rejected;
    await next;
    assert.equal(commits.length, 1);
  });

  it('refuses more than may wait', async () => {
    let release = (): void => undefined;
    const { queue, commits } = harness(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    const first = queue.txn([put('/first')]);
    while (commits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const waiting = Array.from({ length: MAX_PENDING_TXNS }, (_, i) => queue.txn([put(`/${i}`)]));
    await assert.rejects(queue.txn([put('/over')]), (error) => isCode(error, 'TooManyRequests'));
    const releasing = setInterval(() => release(), 1);
    await Promise.all([first, ...waiting]);
    clearInterval(releasing);
  });
});
