import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SchedulingQueue } from './scheduling-queue.ts';

function drain(queue: SchedulingQueue): string[] {
  const keys: string[] = [];
  for (let key = queue.next(); key !== undefined; key = queue.next()) keys.push(key);
  return keys;
}

test('by priority, then in the order in which they came', () => {
  const queue = new SchedulingQueue();
  queue.add('low', -1);
  queue.add('a', 0);
  queue.add('high', 1000);
  queue.add('b', 0);
  queue.add('a', 0);
  assert.deepEqual(drain(queue), ['high', 'a', 'b', 'low']);
  queue.close();
});

test('what fits nowhere waits for a change that is something to it, and for its time', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const queue = new SchedulingQueue();
  queue.add('cpu', 0);
  queue.add('label', 0);
  drain(queue);
  queue.unschedulable('cpu', new Set(['NodeResourcesFit']));
  queue.unschedulable('label', new Set(['NodeAffinity']));
  t.mock.timers.tick(2_000);
  assert.deepEqual(drain(queue), []);
  queue.changed(['NodeResourcesFit', 'NodePorts']);
  assert.deepEqual(drain(queue), ['cpu']);
  queue.unschedulable('cpu', new Set(['NodeResourcesFit']));
  queue.changed();
  assert.deepEqual(drain(queue), ['label'], 'the other one was tried a moment ago');
  t.mock.timers.tick(1_999);
  assert.deepEqual(drain(queue), []);
  t.mock.timers.tick(1);
  assert.deepEqual(drain(queue), ['cpu']);
  queue.close();
});

test('each attempt waits longer than the last, ten seconds at most; without a change it is tried after five minutes', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const queue = new SchedulingQueue();
  queue.add('a', 0);
  for (const wait of [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
    assert.deepEqual(drain(queue), ['a']);
    queue.retry('a');
    t.mock.timers.tick(wait - 1);
    assert.deepEqual(drain(queue), [], String(wait));
    t.mock.timers.tick(1);
  }
  drain(queue);
  queue.unschedulable('a', new Set());
  t.mock.timers.tick(299_999);
  assert.deepEqual(drain(queue), []);
  t.mock.timers.tick(1);
  assert.deepEqual(drain(queue), ['a']);
  queue.close();
});

test('a pod that is gone is not tried, also when its time was near; one that comes again starts anew', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const queue = new SchedulingQueue();
  queue.add('a', 0);
  queue.delete('a');
  assert.deepEqual(drain(queue), []);
  queue.add('a', 0);
  drain(queue);
  queue.retry('a');
  queue.delete('a');
  t.mock.timers.tick(10_000);
  assert.deepEqual(drain(queue), []);
  queue.add('a', 0);
  assert.deepEqual(drain(queue), ['a']);
  queue.close();
});

test('waiting ends when there is something, or when the queue is closed', async () => {
  const queue = new SchedulingQueue();
  const waiting = queue.waitForNext();
  queue.add('a', 0);
  await waiting;
  drain(queue);
  const again = queue.waitForNext();
  queue.close();
  await again;
  await queue.waitForNext();
  queue.add('b', 0);
  assert.deepEqual(drain(queue), []);
});
