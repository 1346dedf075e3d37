import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { MAX_KEY_BYTES } from '../keys.ts';
import { MAX_TXN_OPS, MAX_VALUE_BYTES } from '../limits.ts';
import type { Store, TxnOp } from '../store.ts';
import { all, type Fresh, keys, outcome, put, range, remove, repeat, shown, text } from './suite-tools.ts';

/** What every store does with transactions. */
export function transactionTests(fresh: Fresh): void {
  describe('transactions', () => {
    it('start at revision 0 with nothing', async () => {
      const store = await fresh();
      assert.equal(store.revision(), 0);
      assert.equal(await store.get('/registry/pods/a/b'), undefined);
      assert.deepEqual(await store.list('/registry/'), { entries: [], revision: 0, more: false });
    });

    it('give encode the revision of the write and keep its bytes', async () => {
      const store = await fresh();
      const result = await store.txn([put('/registry/a', (revision) => `{"rv":"${revision}"}`, 0)]);
      assert.deepEqual(outcome(result), [1, '/registry/a={"rv":"1"}@1']);
      assert.equal(store.revision(), 1);
      assert.equal(shown(await store.get('/registry/a')), '/registry/a={"rv":"1"}@1');
    });

    it('keep any bytes, none among them', async () => {
      const store = await fresh();
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      await store.txn([{ type: 'put', key: '/all', expected: 0, encode: () => bytes }]);
      await store.txn([{ type: 'put', key: '/none', expected: 0, encode: () => Buffer.alloc(0) }]);
      assert.deepEqual(Buffer.from((await store.get('/all'))?.value ?? []), bytes);
      assert.equal((await store.get('/none'))?.value.length, 0);
    });

    it('compare and set', async () => {
      const store = await fresh();
      await store.txn([put('/a', 'one', 0)]);
      assert.deepEqual(outcome(await store.txn([put('/a', 'two', 0)])), ['/a', '/a=one@1']);
      assert.deepEqual(outcome(await store.txn([put('/a', 'two', 7)])), ['/a', '/a=one@1']);
      assert.deepEqual(outcome(await store.txn([put('/b', 'two', 1)])), ['/b', 'nothing']);
      assert.deepEqual(outcome(await store.txn([put('/a', 'two', 1)])), [2, '/a=two@2']);
      assert.deepEqual(outcome(await store.txn([put('/a', 'three')])), [3, '/a=three@3']);
      assert.deepEqual(outcome(await store.txn([remove('/a', 2)])), ['/a', '/a=three@3']);
      assert.deepEqual(outcome(await store.txn([remove('/a', 3)])), [4, '/a=three@4']);
      assert.deepEqual(outcome(await store.txn([put('/a', 'four', 3)])), ['/a', 'nothing']);
      assert.deepEqual(outcome(await store.txn([put('/a', 'four', 0)])), [5, '/a=four@5']);
      assert.equal(store.revision(), 5);
    });

    it('write all or nothing', async () => {
      const store = await fresh();
      await store.txn([put('/a', 'one', 0)]);
      const failed = await store.txn([put('/b', 'x', 0), put('/c', 'x', 0), put('/a', 'x', 0)]);
      assert.deepEqual(outcome(failed), ['/a', '/a=one@1']);
      assert.deepEqual(keys(await all(store)), ['/a']);
      assert.equal(store.revision(), 1);
      const done = await store.txn([put('/b', 'b', 0), remove('/a', 1), put('/c', 'c', 0)]);
      assert.deepEqual(outcome(done), [2, '/b=b@2', '/a=one@2', '/c=c@2']);
      assert.deepEqual(keys(await all(store)), ['/b', '/c']);
    });

    it('that delete what is not there change nothing', async () => {
      const store = await fresh();
      assert.deepEqual(await store.txn([remove('/a')]), { ok: true, revision: 0, entries: [] });
      assert.deepEqual(await store.txn([remove('/a', 0)]), { ok: true, revision: 0, entries: [] });
      assert.deepEqual(outcome(await store.txn([remove('/a', 1)])), ['/a', 'nothing']);
      assert.equal(store.revision(), 0);
    });

    it('see those that were submitted before them', async () => {
      const store = await fresh();
      const results = await Promise.all([
        store.txn([put('/a', 'one', 0)]),
        store.txn([put('/a', 'two', 1)]),
        store.txn([put('/a', 'late', 1)]),
        store.txn([remove('/a', 2)]),
        store.txn([put('/a', 'again', 0)]),
      ]);
      assert.deepEqual(results.map(outcome), [
        [1, '/a=one@1'],
        [2, '/a=two@2'],
        ['/a', '/a=two@2'],
        [3, '/a=two@3'],
        [4, '/a=again@4'],
      ]);
    });

    it('lose no increment of 16 concurrent writers', async () => {
      const store = await fresh();
      const revisions: number[] = [];
      const increment = async (): Promise<void> => {
        for (;;) {
          const entry = await store.get('/counter');
          const next = Number(text(entry?.value ?? [])) + 1;
          const result = await store.txn([put('/counter', String(next), entry?.modRevision ?? 0)]);
          if (!result.ok) continue;
          revisions.push(result.revision);
          return;
        }
      };
      await Promise.all(Array.from({ length: 16 }, () => repeat(10, increment)));
      assert.equal(shown(await store.get('/counter')), '/counter=160@160');
      assert.deepEqual(
        revisions.sort((a, b) => a - b),
        range(1, 160),
      );
    });

    it('go on when encode of one of them throws', async () => {
      const store = await fresh();
      const broken = store.txn([
        {
          type: 'put',
          key: '/b',
          expected: 0,
          encode: () => {
            throw new Error('broken');
          },
        },
      ]);
      const results = await Promise.allSettled([
        store.txn([put('/a', 'a', 0)]),
        broken,
        store.txn([put('/c', 'c', 0)]),
      ]);
      assert.deepEqual(
        results.map((result) => result.status),
        ['fulfilled', 'rejected', 'fulfilled'],
      );
      assert.deepEqual((await all(store)).map(shown), ['/a=a@1', '/c=c@2']);
    });

    const refused = async (store: Store, code: 'BadRequest' | 'RequestEntityTooLarge', ops: readonly TxnOp[]) => {
      const revision = store.revision();
      await assert.rejects(store.txn(ops), (error) => isCode(error, code));
      assert.equal(store.revision(), revision);
    };

    it('have limits: operations, keys and values', async () => {
      const store = await fresh();
      const many = (count: number): TxnOp[] => range(1, count).map((i) => put(`/many/${i}`, 'x', 0));
      await refused(store, 'BadRequest', []);
      await refused(store, 'BadRequest', many(MAX_TXN_OPS + 1));
      await refused(store, 'BadRequest', [put('/a', 'x'), put('/a', 'y')]);
      await refused(store, 'BadRequest', [put('', 'x')]);
      await refused(store, 'BadRequest', [put('/\ud800', 'x')]);
      assert.equal((await store.txn(many(MAX_TXN_OPS))).ok, true);

      const key = `/${'é'.repeat((MAX_KEY_BYTES - 2) / 2)}x`;
      await refused(store, 'BadRequest', [put(`${key}x`, 'x')]);
      assert.equal((await store.txn([put(key, 'x')])).ok, true);
      assert.equal((await store.get(key))?.key, key);
      await assert.rejects(store.get(`${key}x`), (error) => isCode(error, 'BadRequest'));

      const value = Buffer.alloc(MAX_VALUE_BYTES + 1, 'v');
      const large = (length: number): TxnOp => ({
        type: 'put',
        key: '/large',
        expected: undefined,
        encode: () => value.subarray(0, length),
      });
      await refused(store, 'RequestEntityTooLarge', [large(MAX_VALUE_BYTES + 1)]);
      assert.equal((await store.txn([large(MAX_VALUE_BYTES)])).ok, true);
      assert.equal((await store.get('/large'))?.value.length, MAX_VALUE_BYTES);
    });
  });
}
