import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import type { ListOptions } from '../store.ts';
import { all, type Fresh, history, keys, put, range, remove, shown } from './suite-tools.ts';

/** What every store does with lists. */
export function listTests(fresh: Fresh): void {
  describe('list', () => {
    it('orders by UTF-8 bytes and keeps to the prefix', async () => {
      const store = await fresh();
      const names = [
        '/pods/\u{10000}',
        '/pods/\uffff',
        '/pods/a',
        '/pods/a/b',
        '/pods/é',
        '/pods',
        '/podsx',
        '/pod',
        '/pods0',
      ];
      await Promise.all(names.map((key) => store.txn([put(key, 'x', 0)])));
      assert.deepEqual(keys((await store.list('/pods/')).entries), [
        '/pods/a',
        '/pods/a/b',
        '/pods/é',
        '/pods/\uffff',
        '/pods/\u{10000}',
      ]);
      assert.equal((await store.list('')).entries.length, names.length);
      assert.deepEqual((await store.list('/pods/z')).entries, []);
    });

    it('pages with limit and after, and says exactly whether there is more', async () => {
      const store = await fresh();
      await store.txn(range(1, 9).map((i) => put(`/l/${i}`, 'x', 0)));
      await store.txn([remove('/l/9'), remove('/l/4')]);
      const page = async (options: ListOptions): Promise<unknown> => {
        const { entries, more, revision } = await store.list('/l/', options);
        return [
          keys(entries)
            .map((key) => key.slice(3))
            .join(''),
          more,
          revision,
        ];
      };
      assert.deepEqual(await page({ limit: 3 }), ['123', true, 2]);
      assert.deepEqual(await page({ limit: 3, after: '/l/3' }), ['567', true, 2]);
      assert.deepEqual(await page({ limit: 3, after: '/l/7' }), ['8', false, 2]);
      assert.deepEqual(await page({ limit: 7 }), ['1235678', false, 2]);
      assert.deepEqual(await page({ limit: 6 }), ['123567', true, 2]);
      assert.deepEqual(await page({ after: '/a' }), ['1235678', false, 2]);
      assert.deepEqual(await page({ after: '/l/8' }), ['', false, 2]);
      assert.deepEqual(await page({ revision: 1, after: '/l/7' }), ['89', false, 1]);
    });

    it('shows every earlier state', async () => {
      const store = await fresh();
      const states: string[][] = [[]];
      for (const ops of history()) {
        await store.txn(ops);
        states.push((await all(store)).map(shown));
      }
      for (const [revision, state] of states.entries()) {
        assert.deepEqual((await store.list('/', { revision })).entries.map(shown), state, `revision ${revision}`);
      }
      await assert.rejects(store.list('/', { revision: states.length }), (error) => isCode(error, 'BadRequest'));
    });
  });
}
