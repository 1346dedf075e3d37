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
