import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog } from '../../lib/log.ts';
import { CompactedError, type Store } from '../store.ts';
import { HistoryPolicy } from './compaction.ts';
import { openLmdbStore } from './store.ts';

describe('history policy', () => {
  it('lets go what is older than it keeps', () => {
    const policy = new HistoryPolicy(1_000, 1_000_000);
    assert.equal(policy.observe(0, 10), 0);
    assert.equal(policy.observe(500, 20), 0);
    assert.equal(policy.observe(999, 25), 0);
    assert.equal(policy.observe(1_000, 30), 10);
    assert.equal(policy.observe(1_499, 35), 0, 'nothing new');
    assert.equal(policy.observe(1_500, 40), 20);
    assert.equal(policy.observe(9_000, 40), 40);
  });

  it('keeps no more revisions than it may, however young', () => {
    const policy = new HistoryPolicy(1_000, 100);
    assert.equal(policy.observe(0, 100), 0);
    assert.equal(policy.observe(1, 101), 1);
    assert.equal(policy.observe(2, 500), 400);
    assert.equal(policy.excess(600), 500);
  });
});

describe('compaction by itself', () => {
  const compactedAt = async (store: Store): Promise<number> => {
    try {
      await store.list('/', { revision: 0 });
      return 0;
    } catch (error) {
      assert.ok(error instanceof CompactedError);
      return error.compactedRevision;
    }
  };
  const until = async (condition: () => Promise<boolean>): Promise<void> => {
    for (let i = 0; i < 500 && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(await condition());
  };
  const put = (store: Store, key: string, size = 10): Promise<unknown> =>
    store.txn([{ type: 'put', key, expected: undefined, encode: () => Buffer.alloc(size, 'x') }]);

  it('goes by the clock', async () => {
    const root = await mkdtemp(join(tmpdir(), 'causeway-compact-'));
    let now = 1_000_000;
    const store = await openLmdbStore({
      directory: join(root, 's'),
      clock: { now: () => now },
      log: silentLog,
      historyMs: 60_000,
      compactionCheckMs: 5,
    });
    for (let i = 0; i < 5; i++) await put(store, '/a');
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(await compactedAt(store), 0);
    now += 60_000;
    await until(async () => (await compactedAt(store)) === 5);
    for (let i = 0; i < 5; i++) await put(store, '/a');
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(await compactedAt(store), 5);
    await store.close();
    await rm(root, { recursive: true });
  });

  it('goes by the number of revisions, so that the file does not grow without end', async () => {
    const root = await mkdtemp(join(tmpdir(), 'causeway-compact-'));
    const directory = join(root, 's');
    const store = await openLmdbStore({
      directory,
      clock: { now: () => 0 },
      log: silentLog,
      historyLimit: 200,
    });
    const size = async (): Promise<number> => (await stat(join(directory, 'data.mdb'))).size;
    const churn = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) {
        await Promise.all(Array.from({ length: 16 }, (_, key) => put(store, `/k/${key}`, 4_000)));
      }
    };
    await churn();
    await until(async () => (await compactedAt(store)) >= 1_300);
    const before = await size();
    await churn();
    await churn();
    assert.ok((await size()) < before * 2, `${before} bytes grew to ${await size()}`);
    assert.ok(store.revision() - (await compactedAt(store)) >= 200);
    assert.equal((await store.list('/k/')).entries.length, 16);
    await store.close();
    await rm(root, { recursive: true });
  });
});
