/**
 * Run by a test that kills it: 16 writers and a watcher on one store. Says on standard output, with one write each,
 *
 *   ack <writer> <seq> <revision>   a transaction was acknowledged
 *   saw <revision>                  the watcher got all changes up to it
 *
 * Each transaction of a writer sets `/w/<writer>` and `/m/<writer>` to the same `<seq>`, compare-and-set; each seventh deletes the second.
 * Arguments: the directory, and the revision that the watcher resumes from.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { openLmdbStore } from '../lmdb/store.ts';
import type { TxnOp } from '../store.ts';

const WRITERS = 16;
/** History that compactions leave. */
const KEEP = 400;

const [directory = '', resume = '0'] = process.argv.slice(2);
const store = await openLmdbStore({ directory, clock: systemClock, log: silentLog });

async function write(writer: number): Promise<never> {
  const key = `/w/${writer}`;
  for (;;) {
    const present = await store.get(key);
    const seq =
      Number(
        Buffer.from(present?.value ?? [])
          .toString()
          .trim(),
      ) + 1;
    const encode = (): Uint8Array => Buffer.from(String(seq).padEnd(20 + ((writer * seq) % 3_000)));
    const ops: TxnOp[] = [
      { type: 'put', key, expected: present?.modRevision ?? 0, encode },
      seq % 7 === 0
        ? { type: 'delete', key: `/m/${writer}`, expected: undefined }
        : { type: 'put', key: `/m/${writer}`, expected: undefined, encode },
    ];
    const result = await store.txn(ops);
    if (!result.ok) throw new Error(`lost a race for ${key}`);
    writeSync(1, `ack ${writer} ${seq} ${result.revision}\n`);
    if (writer === 0 && seq % 50 === 0) void store.compact(result.revision - KEEP);
  }
}

async function watch(): Promise<void> {
  for await (const batch of store.watch('/', Number(resume), new AbortController().signal)) {
    writeSync(1, `saw ${batch.at(-1)?.revision}\n`);
  }
}

await Promise.all([watch(), ...Array.from({ length: WRITERS }, (_, writer) => write(writer))]);
