import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLog } from '../lib/log.ts';
import { WorkQueue } from './workqueue.ts';

test('a key that is added while it is handled is handled once more, never by two workers at once', async () => {
  const queue = new WorkQueue('test', silentLog);
  const abort = new AbortController();
  const open = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  let runs = 0;
  const done = queue.run(
    4,
    async () => {
      running++;
      most = Math.max(most, running);
      runs++;
      if (runs === 1) await open.promise;
      running--;
    },
    abort.signal,
  );
  queue.add('a');
  await delay(5);
  queue.add('a');
  queue.add('a');
  open.resolve();
  await delay(20);
  abort.abort();
  await done;
  assert.equal(runs, 2);
  assert.equal(most, 1);
});

test('a handler that throws is tried again until it succeeds', async () => {
  const queue = new WorkQueue('test', silentLog);
  const abort = new AbortController();
  let attempts = 0;
  const succeeded = Promise.withResolvers<void>();
  const done = queue.run(
    1,
    async () => {
      attempts++;
      if (attempts < 3) throw new Error('not yet');
      succeeded.resolve();
    },
    abort.signal,
  );
  queue.add('a');
  await succeeded.promise;
  abort.abort();
  await done;
  assert.equal(attempts, 3);
});

test('run resolves only when the handler that was under way has ended', async () => {
  const queue = new WorkQueue('test', silentLog);
  const abort = new AbortController();
  const open = Promise.withResolvers<void>();
  let ended = false;
  const done = queue.run(
    1,
    async () => {
      await open.promise;
      ended = true;
    },
    abort.signal,
  );
  queue.add('a');
  abort.abort();
  setTimeout(() => open.resolve(), 10);
  await done;
  assert.equal(ended, true);
});

test('of two waits for a key the shorter one counts, and it is handled once', async () => {
  const queue = new WorkQueue('test', silentLog);
  const abort = new AbortController();
  const handled: string[] = [];
  const done = queue.run(2, async (key) => void handled.push(key), abort.signal);
  queue.addAfter('a', 5_000);
  queue.addAfter('a', 10);
  queue.addAfter('a', 20);
  queue.addAfter('b', 60_000);
  await delay(60);
  assert.deepEqual(handled, ['a']);
  abort.abort();
  await done;
  queue.add('c');
  queue.addAfter('c', 0);
  await delay(10);
  assert.deepEqual(handled, ['a']);
});

test('keys come in the order in which they were added, and a key that fails does not hold up the others', async () => {
  const queue = new WorkQueue('test', silentLog);
  const abort = new AbortController();
  const handled: string[] = [];
  for (const key of ['a', 'bad', 'b', 'a', 'c']) queue.add(key);
  const done = queue.run(
    1,
    async (key) => {
      handled.push(key);
      if (key === 'bad' && handled.length < 5) throw new Error('no');
    },
    abort.signal,
  );
  await delay(60);
  abort.abort();
  await done;
  assert.deepEqual(handled, ['a', 'bad', 'b', 'c', 'bad']);
});

test('a key that keeps failing waits longer each time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const queue = new WorkQueue('test', silentLog);
  const abort = new AbortController();
  let attempts = 0;
  const done = queue.run(
    1,
    async () => {
      attempts++;
      throw new Error('never');
    },
    abort.signal,
  );
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  queue.add('a');
  await settle();
  for (const [i, longest] of [10, 20, 40, 80, 160].entries()) {
    assert.equal(attempts, i + 1);
    t.mock.timers.tick(longest / 2 - 1);
    await settle();
    assert.equal(attempts, i + 1, `not before ${longest / 2} ms`);
    t.mock.timers.tick(longest / 2 + 1);
    await settle();
  }
  for (let i = 0; i < 20; i++) {
    t.mock.timers.tick(30_000);
    await settle();
  }
  assert.equal(attempts, 26, 'never longer than 30 s');
  abort.abort();
  await done;
});
