import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isCode } from '../lib/errors.ts';
import type { Store } from './store.ts';
import { compactionTests } from './testing/compaction-tests.ts';
import { listTests } from './testing/list-tests.ts';
import { all, collect, compactedAt, follow, history, keys, outcome, put, shown } from './testing/suite-tools.ts';
import { transactionTests } from './testing/transaction-tests.ts';
import { watchTests } from './testing/watch-tests.ts';

/** What every `Store` must do. `open` opens the store of a directory, new or not; it must not compact by itself. */
export function storeSuite(name: string, open: (directory: string) => Promise<Store>): void {
  describe(name, () => {
    let root: string;
    const opened = new Set<Store>();

    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'causeway-store-'));
    });
    after(async () => {
      await Promise.all([...opened].map((store) => store.close()));
      await rm(root, { recursive: true });
    });

    let count = 0;
    const fresh = async (): Promise<Store> => reopen(join(root, `store-${++count}`));
    const reopen = async (directory: string): Promise<Store> => {
      const store = await open(directory);
      opened.add(store);
      return store;
    };

    transactionTests(fresh);
    listTests(fresh);
    watchTests(fresh);
    compactionTests(fresh);

    describe('close', () => {
      it('waits for what was submitted, refuses the rest, ends watches, and all is there again', async () => {
        const directory = join(root, 'closed');
        const store = await reopen(directory);
        for (const ops of history()) await store.txn(ops);
        await store.compact(3);
        const watch = follow(store, '/', 7);
        const pending = store.txn([put('/p', 'p8', 0)]);
        const closing = store.close();
        await assert.rejects(store.txn([put('/q', 'x')]), (error) => isCode(error, 'ServiceUnavailable'));
        assert.deepEqual(outcome(await pending), [8, '/p=p8@8']);
        await closing;
        await watch.ended;
        await assert.rejects(store.get('/p'), (error) => isCode(error, 'ServiceUnavailable'));
        await assert.rejects(store.list('/'), (error) => isCode(error, 'ServiceUnavailable'));

        const again = await reopen(directory);
        assert.equal(again.revision(), 8);
        assert.deepEqual((await all(again)).map(shown), ['/a=a7@7', '/b=b5@5', '/c=c4@4', '/p=p8@8']);
        assert.deepEqual(keys((await again.list('/', { revision: 4 })).entries), ['/a', '/c']);
        await assert.rejects(again.list('/', { revision: 2 }), compactedAt(3));
        assert.deepEqual(outcome(await again.txn([put('/p', 'p9', 8)])), [9, '/p=p9@9']);
        assert.equal((await collect(again.changes('/', 3, 9), 99)).length, 6);
      });
    });
  });
}
