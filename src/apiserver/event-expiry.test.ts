import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sweepEvents } from './event-expiry.ts';
import { startTestApiserver } from './testing/test-apiserver.ts';

test('an event goes an hour after it was last seen; watchers are told, and a fresh one stays', async () => {
  const server = await startTestApiserver();
  try {
    const client = server.client();
    const make = async (name: string, ageMinutes: number): Promise<void> => {
      const lastTimestamp = `${new Date(Date.now() - ageMinutes * 60_000).toISOString().slice(0, 19)}Z`;
      const involvedObject = { kind: 'Pod', namespace: 'default', name: 'p' };
      const event = { metadata: { name }, involvedObject, reason: 'Test', message: 'x', type: 'Normal', lastTimestamp };
      const { status, text } = await client.post('/api/v1/namespaces/default/events', event);
      assert.equal(status, 201, text);
    };
    await make('old', 61);
    await make('fresh', 59);
    const watch = client.watch('/api/v1/namespaces/default/events?watch=true');
    await watch.until(2);
    const { store, caches } = server;
    assert.equal(await sweepEvents({ store, caches, clock: { now: () => Date.now() } }), 1);
    await watch.until(3);
    const last = watch.events[2];
    assert.deepEqual([last.type, last.object.metadata.name], ['DELETED', 'old']);
    watch.stop();
    const { json } = await client.get('/api/v1/namespaces/default/events');
    assert.deepEqual(
      json.items.map((e: { metadata: { name: string } }) => e.metadata.name),
      ['fresh'],
    );
  } finally {
    await server.close();
  }
});
