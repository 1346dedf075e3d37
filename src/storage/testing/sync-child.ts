/**
 * Run by a test under strace: writes to a store and says `ACK <n>` on standard output after each acknowledgement.
 * Arguments: the directory, and `sync` or `no-sync`.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { openStore } from '../lmdb/store.ts';
import type { TxnResult } from '../store.ts';

const ROUNDS = 4;
const BURST = 16;

const [directory = '', mode] = process.argv.slice(2);
const options = { directory, clock: systemClock, log: silentLog };
const store = await openStore(options, { sync: mode === 'sync', flushChanges: BURST });
const put = (name: string): Promise<TxnResult> =>
  store.txn([
    { type: 'put', key: `/registry/pods/default/${name}`, expected: 0, encode: () => Buffer.alloc(1024, 'x') },
  ]);

let acknowledged = 0;
for (let round = 0; round < ROUNDS; round++) {
  await put(`single-${round}`);
  writeSync(1, `ACK ${++acknowledged}\n`);
  await Promise.all(Array.from({ length: BURST }, (_, i) => put(`burst-${round}-${i}`)));
  writeSync(1, `ACK ${++acknowledged}\n`);
  // The data file gets everything now, and the next round goes to the other journal file, however busy the machine is.
  await store.compact(store.revision());
}
await store.close();
