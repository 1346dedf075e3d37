/**
 * Run by a test on a small file system of its own, given as the argument: fills it, and checks what becomes of a store on it. Says `ok` at the
 * end.
 */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import { openLmdbStore } from '../lmdb/store.ts';
import type { Store, TxnResult } from '../store.ts';

const root = process.argv[2] ?? '';
const directory = join(root, 'storage');
const filler = join(root, 'filler');
await writeFile(filler, Buffer.alloc(4 * 1024 * 1024));

const open = (): Promise<Store> => openLmdbStore({ directory, clock: systemClock, log: silentLog });
let store = await open();
const events: number[] = [];
const stop = new AbortController();
const watching = (async () => {
  for await (const batch of store.watch('/', 0, stop.signal)) events.push(...batch.map((event) => event.revision));
})();

const acknowledged = new Map<string, number>();
let next = 0;
const put = async (): Promise<TxnResult> => {
  const key = `/k/${next++}`;
  const result = await store.txn([{ type: 'put', key, expected: 0, encode: () => Buffer.alloc(20_000, 'x') }]);
  if (result.ok) acknowledged.set(key, result.revision);
  return result;
};

const isFull = (error: unknown): boolean =>
  error instanceof CausewayError &&
  isCode(error, 'ServiceUnavailable') &&
  error.message === 'storage: the disk is full, nothing was written';

const check = async (): Promise<void> => {
  const { entries, revision } = await store.list('/k/');
  assert.equal(revision, store.revision());
  assert.deepEqual(new Map(entries.map((entry) => [entry.key, entry.modRevision])), acknowledged);
};

/** Writes, 16 at a time, until the disk is full. */
const fill = async (): Promise<void> => {
  for (;;) {
    const results = await Promise.allSettled(Array.from({ length: 16 }, put));
    const failed = results.filter((result) => result.status === 'rejected');
    if (failed.length === 0) continue;
    for (const { reason } of failed) assert.ok(isFull(reason), String(reason));
    return;
  }
};

await fill();
assert.ok(acknowledged.size >= 32);
await check();
// Still full: no write gets through, nothing is lost, reads go on.
for (let i = 0; i < 3; i++) await assert.rejects(Promise.all(Array.from({ length: 32 }, put)), isFull);
await check();
const before = acknowledged.size;
await rm(filler);
await put();
await fill();
assert.ok(acknowledged.size > before + 32, 'space that is free again is used');
await check();
stop.abort();
await watching;
assert.deepEqual(
  events,
  Array.from({ length: store.revision() }, (_, i) => i + 1),
);

await store.close();
store = await open();
await check();
await store.close();
console.log('ok');
