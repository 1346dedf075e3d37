import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { all, collect, compactedAt, type Fresh, follow, history, put, remove, shown, text } from './suite-tools.ts';

/** What every store does with compaction. */
export function compactionTests(fresh: Fresh): void {
  describe('compaction', () => {
    it('forgets what is before, keeps every state from there on', async () => {
      for (let at = 0; at <= 7; at++) {
        const store = await fresh();
        const states: string[][] = [[]];
        for (const ops of history()) {
          await store.txn(ops);
          states.push((await all(store)).map(shown));
        }
        const changes = await collect(store.changes('/', at, 7), 99);
        await store.compact(at);
        await store.compact(at);
        for (let revision = at; revision <= 7; revision++) {
          assert.deepEqual((await store.list('/', { revision })).entries.map(shown), states[revision]);
        }
        assert.deepEqual(await collect(store.changes('/', at, 7), 99), changes);
        if (at === 0) continue;
        await assert.rejects(store.list('/', { revision: at - 1 }), compactedAt(at));
        await assert.rejects(collect(store.changes('/', at - 1, 7), 1), compactedAt(at));
        await assert.rejects(follow(store, '/', at - 1).take(1), compactedAt(at));
      }
    });

    it('is never beyond the present, and survives what is written after it', async () => {
      const store = await fresh();
      await store.txn([put('/a', '1'), put('/b', '1')]);
      await store.txn([remove('/b')]);
      await store.compact(1_000);
      await assert.rejects(store.list('/', { revision: 1 }), compactedAt(2));
      await store.txn([put('/b', '3', 0)]);
      await store.txn([put('/a', '4')]);
      assert.deepEqual((await store.list('/', { revision: 2 })).entries.map(shown), ['/a=1@1']);
      assert.deepEqual((await store.list('/', { revision: 3 })).entries.map(shown), ['/a=1@1', '/b=3@3']);
      await store.compact(4);
      assert.deepEqual((await all(store)).map(shown), ['/a=4@4', '/b=3@3']);
    });

    it('runs while others write and read', async () => {
      const store = await fresh();
      const events = follow(store, '/', 0);
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; i < 50; i++) {
          const key = `/${writer}-${i % 5}`;
          await store.txn([i % 7 === 6 ? remove(key) : put(key, String(i))]);
          if (i % 10 === 9) await store.compact(store.revision() - 3);
        }
      });
      await Promise.all(writers);
      const final = new Map<string, string>();
      for (const line of await events.take(store.revision())) {
        const [, type, change = ''] = line.split(' ');
        const [key = '', value = ''] = change.split('=');
        if (type === 'put') final.set(key, value);
        else final.delete(key);
      }
      events.stop();
      assert.deepEqual(
        (await all(store)).map((entry) => [entry.key, text(entry.value)]),
        [...final].sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    });
  });
}
