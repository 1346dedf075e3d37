import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { MAX_WATCH_EVENTS } from '../limits.ts';
import type { WatchEvent } from '../store.ts';
import { collect, type Fresh, follow, history, put, range } from './suite-tools.ts';

/** What every store does with watches. */
export function watchTests(fresh: Fresh): void {
  describe('watch', () => {
    it('tells every change once, in order, from any revision, then goes on live', async () => {
      const store = await fresh();
      for (const ops of history()) await store.txn(ops);
      const before = store.revision();
      const expected = [
        '1 put /a=a1 was none',
        '1 put /b=b1 was none',
        '2 put /a=a2 was a1',
        '3 delete /b=b1 was b1',
        '4 put /c=c4 was none',
        '5 put /b=b5 was none',
        '6 delete /a=gone6 was a2',
        '7 put /a=a7 was none',
      ];
      for (let from = 0; from <= before; from++) {
        const rest = expected.filter((line) => Number(line.split(' ')[0]) > from);
        assert.deepEqual(await collect(store.changes('/', from, before), rest.length), rest, `after ${from}`);
      }
      const watched = range(0, before).map((from) => ({ from, events: follow(store, '/', from) }));
      await store.txn([put('/z', 'z8', 0)]);
      for (const { from, events } of watched) {
        const rest = [...expected.filter((line) => Number(line.split(' ')[0]) > from), '8 put /z=z8 was none'];
        assert.deepEqual(await events.take(rest.length), rest, `after ${from}`);
        events.stop();
      }
    });

    it('keeps to the prefix', async () => {
      const store = await fresh();
      const early = follow(store, '/pods/', 0);
      await store.txn([put('/pods', 'x'), put('/pods/a', 'x'), put('/podsx', 'x')]);
      await store.txn([put('/other', 'x')]);
      await store.txn([put('/pods/b', 'x')]);
      const expected = ['1 put /pods/a=x was none', '3 put /pods/b=x was none'];
      assert.deepEqual(await early.take(2), expected);
      assert.deepEqual(await collect(store.changes('/pods/', 0, 3), 2), expected);
      early.stop();
    });

    it('never splits a revision', async () => {
      const store = await fresh();
      const live: number[][] = [];
      const stop = new AbortController();
      const watching = (async () => {
        for await (const batch of store.watch('/', 0, stop.signal)) live.push(batch.map((event) => event.revision));
      })();
      for (let i = 0; i < 40; i++) await store.txn(range(1, 60).map((n) => put(`/${n}`, 'x')));
      const read: number[][] = [];
      for await (const batch of store.changes('/', 0, 40)) read.push(batch.map((event) => event.revision));
      stop.abort();
      await watching;
      for (const batches of [live, read]) {
        assert.deepEqual(
          batches.flat(),
          range(1, 40).flatMap((revision) => Array.from({ length: 60 }, () => revision)),
        );
        const starts = batches.map((batch) => batch[0]);
        assert.equal(new Set(starts).size, starts.length);
      }
      assert.ok(read.length > 1, 'the history comes in parts');
    });

    it('has no gap and no repeat for watchers that come and go while 16 write', async () => {
      const store = await fresh();
      let writing = true;
      const writers = Array.from({ length: 16 }, async (_, writer) => {
        for (let i = 0; i < 60; i++) await store.txn([put(`/w/${writer}`, String(i)), put(`/n/${writer}-${i}`, 'x')]);
      });
      const done = Promise.all(writers).then(() => {
        writing = false;
      });
      const watcher = async (): Promise<number[]> => {
        const seen: number[] = [];
        while (writing || (seen.at(-1) ?? 0) < store.revision()) {
          const stop = new AbortController();
          let left = 1 + Math.floor(Math.random() * 20);
          for await (const batch of store.watch('/w/', seen.at(-1) ?? 0, stop.signal)) {
            seen.push(...batch.map((event) => event.revision));
            left -= batch.length;
            if (left <= 0 || seen.at(-1) === 960) break;
          }
          stop.abort();
        }
        return seen;
      };
      const seen = await Promise.all([watcher(), watcher(), watcher()]);
      await done;
      for (const revisions of seen) assert.deepEqual(revisions, range(1, 960));
    });

    it('waits for a revision of the future', async () => {
      const store = await fresh();
      const events = follow(store, '/', 2);
      for (const i of range(1, 3)) await store.txn([put('/a', String(i))]);
      assert.deepEqual(await events.take(1), ['3 put /a=3 was 2']);
      events.stop();
    });

    it('ends when its signal aborts, before and while it waits', async () => {
      const store = await fresh();
      await store.txn([put('/a', 'x')]);
      const stop = new AbortController();
      const reading = (async () => {
        const seen: WatchEvent[] = [];
        for await (const batch of store.watch('/', 0, stop.signal)) seen.push(...batch);
        return seen.length;
      })();
      await new Promise((resolve) => setTimeout(resolve, 20));
      stop.abort();
      assert.equal(await reading, 1);
      for await (const _ of store.watch('/', 1, stop.signal)) assert.fail('an aborted watch says nothing');
    });

    it('ends with Expired for a watcher that does not read, at the limit and not before', async () => {
      const store = await fresh();
      const attach = async () => {
        const stop = new AbortController();
        const watch = store.watch('/', store.revision(), stop.signal)[Symbol.asyncIterator]();
        const first = watch.next();
        await store.txn([put('/first', 'x')]);
        await first;
        return watch;
      };
      const full = await attach();
      const over = await attach();
      await full.next();
      const ops = range(1, 128).map((i) => put(`/${i}`, 'x'));
      for (let i = 0; i < MAX_WATCH_EVENTS / 128; i++) await store.txn(ops);
      let seen = 0;
      while (seen < MAX_WATCH_EVENTS) seen += ((await full.next()).value as readonly WatchEvent[]).length;
      assert.equal(seen, MAX_WATCH_EVENTS);
      await store.txn([put('/last', 'x')]);
      await assert.rejects(over.next(), (error) => isCode(error, 'Expired'));
      await full.return?.();
    });
  });
}
