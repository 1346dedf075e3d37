import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CausewayError } from '../../lib/errors.ts';
import type { Store } from '../../storage/store.ts';
import {
  BOOKMARK_BEFORE_END_MS,
  BOOKMARK_CHECK_MS,
  BOOKMARK_MS,
  INITIAL_BATCH,
  MAX_RECENT_CHANGES,
  MAX_WATCHER_EVENTS,
} from './limits.ts';
import { follow, type Harness, items, shown, startHarness } from './testing/harness.ts';
import type { CachedObject, CacheEvent, FrameFormat } from './watch-cache.ts';

const labelled = (value: string) => (object: CachedObject) =>
  Object.values(object.object().metadata.labels ?? {}).includes(value);

describe('watch', () => {
  let h: Harness;
  before(async () => {
    h = await startHarness();
  });
  after(() => h.close());

  /** From now on. */
  const now = (): string => String(h.store.revision());

  it('tells additions, changes and ends, with the revision of each', async () => {
    const watch = await follow(h.pods, { resourceVersion: now() });
    const at = h.store.revision();
    await h.put('w/a', { l: '1' });
    await h.put('w/a', { l: '2' });
    await h.remove('w/a');
    await h.put('w/a');
    assert.deepEqual(await watch.take(4), [
      `ADDED w/a@${at + 1} 1`,
      `MODIFIED w/a@${at + 2} 2`,
      `DELETED w/a@${at + 3} 2`,
      `ADDED w/a@${at + 4}`,
    ]);
    assert.deepEqual(
      watch.events.map((event) => event.resourceVersion),
      [at + 1, at + 2, at + 3, at + 4],
    );
    watch.stop();
    await watch.ended;
    assert.equal(watch.stream.ended, 'aborted');
  });

  it('translates changes for a watcher with selectors', async () => {
    const at = h.store.revision();
    const live = await follow(h.pods, { resourceVersion: now(), namespace: 's', matches: labelled('yes') });
    await h.put('s/in', { l: 'yes' });
    await h.put('s/never', { l: 'no' });
    await h.put('s/in', { l: 'yes', m: 'more' });
    await h.put('s/in', { l: 'no' });
    await h.put('s/in', { l: 'no', m: 'more' });
    await h.put('s/in', { l: 'yes' });
    await h.remove('s/in');
    await h.put('s/out', { l: 'no' });
    await h.remove('s/out');
    await h.put('s/last', { l: 'yes' });
    const expected = [
      `ADDED s/in@${at + 1} yes`,
      `MODIFIED s/in@${at + 3} yes,more`,
      `DELETED s/in@${at + 4} yes,more`,
      `ADDED s/in@${at + 6} yes`,
      `DELETED s/in@${at + 7} yes`,
      `ADDED s/last@${at + 10} yes`,
    ];
    assert.deepEqual(await live.take(6), expected);
    live.stop();
    const request = { resourceVersion: String(at), namespace: 's', matches: labelled('yes') };
    const recent = await follow(h.pods, request);
    assert.deepEqual(await recent.take(6), expected, 'the same from memory');
    recent.stop();
    const stored = await follow(await h.restart(), request);
    assert.deepEqual(await stored.take(6), expected, 'the same from the store');
    stored.stop();
  });

  it('goes only to those that it concerns', async () => {
    const at = now();
    const watches = {
      all: await follow(h.pods, { resourceVersion: at }),
      namespace: await follow(h.pods, { resourceVersion: at, namespace: 'n' }),
      prefix: await follow(h.pods, { resourceVersion: at, namespace: 'n-x' }),
      name: await follow(h.pods, { resourceVersion: at, name: 'one' }),
      one: await follow(h.pods, { resourceVersion: at, namespace: 'n', name: 'one' }),
    };
    for (const path of ['n/one', 'n/two', 'n-x/one', 'o/one', 'n/one']) await h.put(path);
    const seen = async (watch: keyof typeof watches, count: number): Promise<string[]> => {
      await watches[watch].take(count);
      return watches[watch].events.map(({ object }) => `${object.namespace}/${object.name}`);
    };
    assert.deepEqual(await seen('all', 5), ['n/one', 'n/two', 'n-x/one', 'o/one', 'n/one']);
    assert.deepEqual(await seen('namespace', 3), ['n/one', 'n/two', 'n/one']);
    assert.deepEqual(await seen('prefix', 1), ['n-x/one']);
    assert.deepEqual(await seen('name', 4), ['n/one', 'n-x/one', 'o/one', 'n/one']);
    assert.deepEqual(await seen('one', 2), ['n/one', 'n/one']);
    for (const watch of Object.values(watches)) watch.stop();
  });

  it('makes a frame once for all watchers, of each format', async () => {
    let encoded = 0;
    const format: FrameFormat = {
      encode: (type, object) => {
        encoded += 1;
        return Buffer.from(`${type} ${object.name}`);
      },
    };
    const watches = await Promise.all(Array.from({ length: 5 }, () => follow(h.pods, { resourceVersion: now() })));
    await h.put('frames/a');
    const events = await Promise.all(
      watches.map(async (watch) => {
        await watch.take(1);
        return watch.events[0] as CacheEvent;
      }),
    );
    const frames = new Set(events.map((event) => event.frame()));
    assert.equal(frames.size, 1);
    const stored = await h.store.get('/registry/pods/frames/a');
    const [frame] = frames;
    assert.equal(frame?.toString(), `{"type":"ADDED","object":${Buffer.from(stored?.value ?? [])}}\n`);
    assert.equal(new Set(events.map((event) => event.frame(format))).size, 1);
    assert.equal(encoded, 1);
    for (const watch of watches) watch.stop();
  });

  it('begins with the present state when it names no revision, or 0, and says where that ends', async () => {
    await h.put('i/a');
    const b = await h.put('i/b', { l: 'yes' });
    for (const resourceVersion of [undefined, '', '0']) {
      const watch = await follow(h.pods, {
        resourceVersion,
        namespace: 'i',
        matches: labelled('yes'),
        allowBookmarks: true,
      });
      assert.deepEqual(await watch.take(2), [`ADDED i/b@${b} yes`, `BOOKMARK v1 Pod @${b} end`]);
      watch.stop();
    }
  });

  it('sends the initial events and marks their end', async () => {
    const a = await h.put('e/a');
    const b = await h.put('e/b');
    await h.put('other/x');
    const request = {
      namespace: 'e',
      sendInitialEvents: true,
      resourceVersionMatch: 'NotOlderThan',
      allowBookmarks: true,
    };
    const watch = await follow(h.pods, request);
    const end = h.store.revision();
    const c = await h.put('e/c');
    assert.deepEqual(await watch.take(4), [
      `ADDED e/a@${a}`,
      `ADDED e/b@${b}`,
      `BOOKMARK v1 Pod @${end} end`,
      `ADDED e/c@${c}`,
    ]);
    assert.equal(watch.events[2]?.initialEventsEnd, true);
    watch.stop();
    const empty = await follow(h.pods, { ...request, namespace: 'empty' });
    assert.deepEqual(await empty.take(1), [`BOOKMARK v1 Pod @${h.store.revision()} end`]);
    empty.stop();
    const without = await follow(h.pods, { ...request, sendInitialEvents: false });
    const d = await h.put('e/d');
    assert.deepEqual(await without.take(1), [`ADDED e/d@${d}`]);
    without.stop();
  });

  it('sends a large state in parts', async () => {
    for (let i = 0; i < INITIAL_BATCH + 1; i++) await h.put(`large/p${String(i).padStart(4, '0')}`);
    const stop = new AbortController();
    const stream = await h.pods.watch({ namespace: 'large', signal: stop.signal });
    const sizes: number[] = [];
    for await (const batch of stream) {
      sizes.push(batch.length);
      if (sizes.length === 1) await h.put('large/p0000', { changed: 'yes' });
      if (sizes.length === 3) {
        assert.deepEqual(batch.map(shown), [`MODIFIED large/p0000@${h.store.revision()} yes`]);
        break;
      }
    }
    assert.deepEqual(sizes, [INITIAL_BATCH, 1, 1]);
    assert.equal(stream.ended, 'aborted');
  });

  it('waits for a revision of the future', async () => {
    const watch = await follow(h.pods, { resourceVersion: String(h.store.revision() + 2) });
    await h.put('f/a');
    await h.put('f/b');
    const third = await h.put('f/c');
    assert.deepEqual(await watch.take(1), [`ADDED f/c@${third}`]);
    watch.stop();
  });

  it('says nothing to a client that is gone already', async () => {
    const stop = new AbortController();
    stop.abort();
    const stream = await h.pods.watch({ signal: stop.signal });
    for await (const _ of stream) assert.fail('an event');
    assert.equal(stream.ended, 'aborted');
  });

  it('ends only the watch whose selector fails', async () => {
    const broken = await follow(h.pods, {
      resourceVersion: now(),
      matches: () => {
        throw new Error('selector');
      },
    });
    const sound = await follow(h.pods, { resourceVersion: now() });
    await h.put('broken/a');
    await broken.ended;
    assert.equal(broken.stream.ended, 'closed');
    assert.equal((await sound.take(1)).length, 1);
    sound.stop();
  });

  it('resumes from the store what memory does not hold, and says when it is too old', async () => {
    const from = h.store.revision();
    await Promise.all(Array.from({ length: MAX_RECENT_CHANGES + 10 }, (_, i) => h.put('r/x', { i: String(i) })));
    const watch = await follow(h.pods, { resourceVersion: String(from) });
    await watch.take(MAX_RECENT_CHANGES + 10);
    await h.put('r/y');
    await watch.take(MAX_RECENT_CHANGES + 11);
    assert.deepEqual(
      watch.events.map((event) => event.resourceVersion),
      Array.from({ length: MAX_RECENT_CHANGES + 11 }, (_, i) => from + 1 + i),
    );
    watch.stop();
    await h.store.compact(from + 5);
    await assert.rejects(follow(h.pods, { resourceVersion: String(from + 4) }), (error) => {
      assert.ok(error instanceof CausewayError);
      assert.equal(error.message, `too old resource version: ${from + 4} (${from + 5})`);
      return error.code === 'Expired';
    });
    const edge = await follow(h.pods, { resourceVersion: String(from + 5) });
    assert.equal((await edge.take(MAX_RECENT_CHANGES + 6)).length, MAX_RECENT_CHANGES + 6);
    edge.stop();
  });

  it('drops a watcher that does not read, above the limit and not at it', async () => {
    const stop = new AbortController();
    const request = { resourceVersion: now(), namespace: 'slow', signal: stop.signal };
    const idle = await h.pods.watch(request);
    const reading = await follow(h.pods, request);
    await Promise.all(Array.from({ length: MAX_WATCHER_EVENTS }, (_, i) => h.put(`slow/p${i % 10}`)));
    await h.pods.get('slow', 'p0');
    assert.equal(idle.ended, undefined);
    await h.put('slow/p0');
    await h.pods.get('slow', 'p0');
    assert.equal(idle.ended, 'too-slow');
    for await (const _ of idle) assert.fail('an event');
    assert.equal((await reading.take(MAX_WATCHER_EVENTS + 1)).length, MAX_WATCHER_EVENTS + 1);
    reading.stop();
    stop.abort();
  });

  it('delivers one change to 1,000 watchers at once', async () => {
    const watches = await Promise.all(Array.from({ length: 1_000 }, () => follow(h.pods, { resourceVersion: now() })));
    const start = performance.now();
    await h.put('many/a');
    await Promise.all(watches.map((watch) => watch.take(1)));
    const took = performance.now() - start;
    for (const watch of watches) watch.stop();
    await Promise.all(watches.map((watch) => watch.ended));
    assert.ok(took < 500, `${took} ms`);
  });
});

describe('watch bookmarks', () => {
  it('come each minute to those that want them, with the newest revision', async (test) => {
    test.mock.timers.enable({ apis: ['setInterval'] });
    const h = await startHarness();
    await h.put('b/a');
    const from = String(h.store.revision());
    const wants = await follow(h.pods, { resourceVersion: from, allowBookmarks: true });
    const future = await follow(h.pods, { resourceVersion: String(h.store.revision() + 9), allowBookmarks: true });
    const not = await follow(h.pods, { resourceVersion: from });
    const pass = (ms: number): void => {
      h.advance(ms);
      test.mock.timers.tick(BOOKMARK_CHECK_MS);
    };
    pass(BOOKMARK_MS - 1);
    // A change elsewhere moves the bookmark on.
    await h.store.txn([{ type: 'put', key: '/registry/nodes/n', expected: 0, encode: () => Buffer.from('{}') }]);
    await h.pods.list({});
    pass(1);
    assert.deepEqual(await wants.take(1), ['BOOKMARK v1 Pod @2']);
    assert.equal(wants.events[0]?.initialEventsEnd, false);
    pass(BOOKMARK_MS - 1);
    await h.put('b/b');
    await h.pods.list({});
    pass(1);
    assert.deepEqual(await wants.take(3), ['BOOKMARK v1 Pod @2', 'ADDED b/b@3', 'BOOKMARK v1 Pod @3']);
    assert.deepEqual(await not.take(1), ['ADDED b/b@3']);
    assert.deepEqual(future.events, []);
    for (const watch of [wants, future, not]) watch.stop();
    await h.close();
  });

  it('come once more shortly before the end of a watch', async (test) => {
    test.mock.timers.enable({ apis: ['setInterval'] });
    const h = await startHarness();
    const from = String(await h.put('b/a'));
    const endsAt = h.now() + 5_000;
    const short = await follow(h.pods, { resourceVersion: from, allowBookmarks: true, endsAt });
    const pass = (ms: number): void => {
      h.advance(ms);
      test.mock.timers.tick(BOOKMARK_CHECK_MS);
    };
    pass(5_000 - BOOKMARK_BEFORE_END_MS - 1);
    assert.deepEqual(short.events, []);
    pass(1);
    pass(1_000);
    assert.deepEqual(await short.take(1), [`BOOKMARK v1 Pod @${from}`]);
    short.stop();
    await h.close();
  });
});

describe('watch cache', () => {
  it('has no gap and no repeat for watchers that come and go while others write', { timeout: 60_000 }, async () => {
    const h = await startHarness();
    const WRITES = 1_500;
    await h.put('even/first');
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < WRITES / 10; i++) {
        await Promise.all(
          Array.from({ length: 10 }, async (_, n) => {
            const path = `${n % 2 === 0 ? 'even' : 'odd'}/p${Math.floor(Math.random() * 8)}`;
            if (Math.random() < 0.25) await h.remove(path);
            else await h.put(path, { l: Math.random() < 0.5 ? 'yes' : 'no' });
          }),
        );
        if (i % 40 === 20) await h.restart();
      }
      writing = false;
    })();
    const watcher = async (namespace: string | undefined, selective: boolean): Promise<Map<string, string>> => {
      const state = new Map<string, string>();
      const request = { namespace, matches: selective ? labelled('yes') : undefined };
      let last = 0;
      while (writing || last < h.store.revision()) {
        const stop = new AbortController();
        if (last === 0) {
          const list = await h.pods.list(request);
          for (const item of list.items) state.set(item.key, `${item.resourceVersion}`);
          last = Number(list.resourceVersion);
          continue;
        }
        const stream = await h.pods.watch({
          ...request,
          resourceVersion: String(last),
          allowBookmarks: true,
          signal: stop.signal,
        });
        let left = Math.floor(Math.random() * 50);
        const timer = setTimeout(() => stop.abort(), 20);
        for await (const batch of stream) {
          for (const event of batch) {
            assert.ok(event.resourceVersion > last, 'in order, once');
            last = event.resourceVersion;
            const known = state.has(event.object.key);
            assert.equal(event.type === 'ADDED', !known, `${event.type} of what is ${known ? '' : 'not '}known`);
            if (event.type === 'DELETED') state.delete(event.object.key);
            else state.set(event.object.key, `${event.resourceVersion}`);
          }
          left -= batch.length;
          if (left <= 0) break;
        }
        clearTimeout(timer);
        stop.abort();
        if (!writing && stream.ended === 'aborted') {
          // What is selected may have ended before the last revision.
          const list = await h.pods.list(request);
          if (
            list.items.length === state.size &&
            list.items.every((item) => state.get(item.key) === `${item.resourceVersion}`)
          )
            break;
        }
      }
      return state;
    };
    const requests: [string | undefined, boolean][] = [
      [undefined, false],
      ['even', false],
      ['odd', true],
      [undefined, true],
    ];
    const states = await Promise.all(requests.map(([namespace, selective]) => watcher(namespace, selective)));
    await writer;
    for (const [i, [namespace, selective]] of requests.entries()) {
      const list = await h.pods.list({ namespace, matches: selective ? labelled('yes') : undefined });
      const expected = new Map(list.items.map((item) => [item.key, `${item.resourceVersion}`]));
      assert.deepEqual(new Map([...(states[i] ?? [])].sort()), new Map([...expected].sort()));
    }
    await h.close();
  });

  it('ends its watches, forgets and loads again when its feed fails', async () => {
    let failing = (_: Error): void => undefined;
    const h = await startHarness((store) => failable(store, (fail) => (failing = fail)));
    await h.put('a/one');
    const watch = await follow(h.pods, { resourceVersion: '1' });
    failing(new CausewayError('Expired', 'the watch fell too far behind'));
    await watch.ended;
    assert.equal(watch.stream.ended, 'closed');
    const revision = await h.put('a/two');
    assert.deepEqual(items(await h.pods.list({})), ['a/one@1', `a/two@${revision}`]);
    const again = await follow(h.pods, { resourceVersion: '1' });
    await h.put('a/three');
    assert.deepEqual(await again.take(2), [`ADDED a/two@${revision}`, `ADDED a/three@${revision + 1}`]);
    await h.caches.close();
    await again.ended;
    assert.equal(again.stream.ended, 'closed');
    await h.close();
  });
});

/** A store whose watch can be made to fail. */
function failable(store: Store, arm: (fail: (error: Error) => void) => void): Store {
  return {
    revision: () => store.revision(),
    get: (key) => store.get(key),
    list: (prefix, options) => store.list(prefix, options),
    txn: (ops) => store.txn(ops),
    changes: (prefix, after, through) => store.changes(prefix, after, through),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
    async *watch(prefix, after, signal) {
      const failed = Promise.withResolvers<never>();
      failed.promise.catch(() => undefined);
      arm((error) => failed.reject(error));
      const watch = store.watch(prefix, after, signal)[Symbol.asyncIterator]();
      for (;;) {
        const next = await Promise.race([watch.next(), failed.promise]);
        if (next.done === true) return;
        yield next.value;
      }
    },
  };
}
