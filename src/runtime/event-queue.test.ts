import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventQueue, QUEUED_EVENTS } from './event-queue.ts';

const event = (n: number) => ({ sandboxId: 's', containerId: String(n), podUid: 'u' });

describe('events', () => {
  it("come to every reader from its subscription on, the same container's once while it waits", async () => {
    const queue = new EventQueue();
    const over = new AbortController();
    queue.push(event(0));
    const readers = [queue.subscribe(over.signal), queue.subscribe(over.signal)];
    for (const n of [1, 2, 1, 3]) queue.push(event(n));
    for (const reader of readers) {
      const seen: (string | undefined)[] = [];
      for await (const { containerId } of reader) {
        seen.push(containerId);
        if (seen.length === 3) break;
      }
      assert.deepEqual(seen, ['1', '2', '3']);
    }
  });

  it('end with the signal and with the queue, also for who waits', async () => {
    const queue = new EventQueue();
    const over = new AbortController();
    const drain = async (events: AsyncIterable<unknown>): Promise<number> => {
      let count = 0;
      for await (const _ of events) count += 1;
      return count;
    };
    const aborted = drain(queue.subscribe(over.signal));
    const closed = drain(queue.subscribe(new AbortController().signal));
    over.abort();
    assert.equal(await aborted, 0);
    queue.close();
    assert.equal(await closed, 0);
    assert.equal(await drain(queue.subscribe(new AbortController().signal)), 0);
  });

  it('do not pile up for who never reads', async () => {
    const queue = new EventQueue();
    const over = new AbortController();
    const reader = queue.subscribe(over.signal);
    for (let n = 0; n < QUEUED_EVENTS + 5; n++) queue.push(event(n));
    let count = 0;
    let first: string | undefined;
    for await (const { containerId } of reader) {
      first ??= containerId;
      count += 1;
      if (containerId === String(QUEUED_EVENTS + 4)) break;
    }
    assert.equal(count, QUEUED_EVENTS);
    assert.equal(first, '5');
  });
});
