import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { CompactedError, type Store, type WatchEvent } from '../store.ts';
import { openLmdbStore } from './store.ts';

const child = new URL('../testing/kill-child.ts', import.meta.url).pathname;
const soak = process.env['CAUSEWAY_SOAK'] === '1';
const ROUNDS = soak ? 400 : 10;
const MAX_LIFE_MS = 250;
/** As many as the child has. */
const WRITERS = 16;

interface Acknowledged {
  readonly writer: number;
  readonly seq: number;
  readonly revision: number;
}

interface Life {
  readonly acks: readonly Acknowledged[];
  /** What its watcher saw last. */
  readonly saw: number;
}

/** One life of the child: from its start to a kill -9 at a random moment after its first acknowledgement. */
async function live(directory: string, resume: number): Promise<Life> {
  const running = spawn(process.execPath, [child, directory, String(resume)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let dying = false;
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (dying || !output.includes('ack')) return;
    dying = true;
    setTimeout(() => running.kill('SIGKILL'), Math.random() * MAX_LIFE_MS);
  });
  const [, signal] = (await once(running, 'close')) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', 'the child ends only by the kill');
  const acks: Acknowledged[] = [];
  let saw = resume;
  // What follows the last line break was cut by the kill.
  for (const line of output.split('\n').slice(0, -1)) {
    const [what, ...numbers] = line.split(' ');
    const [first = 0, seq = 0, revision = 0] = numbers.map(Number);
    if (what === 'saw') saw = first;
    else acks.push({ writer: first, seq, revision });
  }
  return { acks, saw };
}

async function read(batches: AsyncIterable<readonly WatchEvent[]>): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const batch of batches) events.push(...batch);
  return events;
}

async function oldest(store: Store): Promise<number> {
  try {
    await read(store.changes('/', 0, 1));
    return 0;
  } catch (error) {
    assert.ok(error instanceof CompactedError);
    return error.compactedRevision;
  }
}

const seqOf = (value: Uint8Array | undefined): number =>
  Number(
    Buffer.from(value ?? [])
      .toString()
      .trim(),
  );

/**
 * `known` is what each writer's keys held when the life began; with `acks` it says what they must hold now. Leaves what they do hold there.
 */
async function checkPresent(store: Store, known: Map<number, number>, acks: readonly Acknowledged[]): Promise<void> {
  for (const { writer, seq } of acks) {
    assert.ok(seq > (known.get(writer) ?? 0), `writer ${writer} went on with ${seq}`);
    known.set(writer, seq);
  }
  for (let writer = 0; writer < WRITERS; writer++) {
    const least = known.get(writer) ?? 0;
    const present = await store.get(`/w/${writer}`);
    const now = seqOf(present?.value);
    // The writer's last transaction may have become durable before its acknowledgement got out.
    assert.ok(now === least || now === least + 1, `writer ${writer}: ${least} was known, ${now} is there`);
    known.set(writer, now);
    const second = await store.get(`/m/${writer}`);
    if (now % 7 === 0) assert.equal(second, undefined, `writer ${writer}: half a transaction`);
    else assert.deepEqual([seqOf(second?.value), second?.modRevision], [now, present?.modRevision]);
  }
}

async function checkHistory(store: Store, acks: readonly Acknowledged[]): Promise<void> {
  const compacted = await oldest(store);
  const byRevision = Map.groupBy(
    await read(store.changes('/', compacted, store.revision())),
    (event) => event.revision,
  );
  const expected = Array.from({ length: store.revision() - compacted }, (_, i) => compacted + 1 + i);
  assert.deepEqual([...byRevision.keys()], expected, 'revisions are continuous');
  for (const { writer, seq, revision } of acks) {
    assert.ok(revision <= store.revision());
    if (revision <= compacted) continue;
    const events = byRevision.get(revision) ?? [];
    assert.deepEqual([events[0]?.key, seqOf(events[0]?.value)], [`/w/${writer}`, seq], `revision ${revision}`);
    // A delete of what is not there is no event.
    assert.ok(events.length === 2 || (seq % 7 === 0 && events.length === 1));
  }
}

/** Resumes a watch, and writes one more change that it must see after all others. */
async function checkResume(store: Store, from: number): Promise<number> {
  const stop = new AbortController();
  const revisions: number[] = [];
  const before = store.revision();
  const watching = (async () => {
    for await (const batch of store.watch('/', from, stop.signal)) {
      revisions.push(...batch.map((event) => event.revision));
      if (revisions.at(-1) === before + 1) return;
    }
  })();
  const result = await store.txn([
    { type: 'put', key: '/parent', expected: undefined, encode: () => Buffer.from('x') },
  ]);
  assert.ok(result.ok);
  assert.equal(result.revision, before + 1);
  await watching;
  stop.abort();
  const distinct = revisions.filter((revision, i) => revision !== revisions[i - 1]);
  assert.deepEqual(
    distinct,
    Array.from({ length: before + 1 - from }, (_, i) => from + 1 + i),
    'the watcher sees each later change once, in order',
  );
  return before + 1;
}

describe('kill -9', () => {
  it(`loses no acknowledged write and no watch event in ${ROUNDS} rounds`, async () => {
    const root = await mkdtemp(join(tmpdir(), 'causeway-kill-'));
    after(() => rm(root, { recursive: true }));
    const directory = join(root, 'storage');
    const known = new Map<number, number>();
    let saw = 0;
    let total = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const life = await live(directory, saw);
      total += life.acks.length;
      const store = await openLmdbStore({ directory, clock: systemClock, log: silentLog });
      await checkPresent(store, known, life.acks);
      await checkHistory(store, life.acks);
      saw = await checkResume(store, life.saw);
      await store.close();
    }
    assert.ok(total > ROUNDS * 20, `${total} acknowledgements`);
  });
});
