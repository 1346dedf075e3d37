import { existsSync } from 'node:fs';
import { type Database, open, type RootDatabase, type Transaction } from 'lmdb';
import { CausewayError } from '../../lib/errors.ts';
import {
  decodeIndex,
  decodeLog,
  decodePlace,
  decodeRevision,
  encodePlace,
  encodeRevision,
  type IndexRecord,
  type LogRecord,
  type Place,
} from './records.ts';
import { checkRoom } from './room.ts';

/** One write of a commit. */
export type Write =
  | { readonly table: 'log'; readonly place: Place; readonly bytes: Buffer | undefined }
  | { readonly table: 'index'; readonly key: Buffer; readonly bytes: Buffer | undefined }
  | { readonly table: 'state'; readonly name: StateName; readonly revision: number };

/** `revision`: of the last commit. `compacted`: history up to it is given up. `swept`: its records are really gone. */
export type StateName = 'revision' | 'compacted' | 'swept';

/** A consistent view. Take one, read, and `done()` it soon: pages that it sees are not used again until then. */
export interface Snapshot {
  state(name: StateName): number;
  index(key: Buffer): IndexRecord | undefined;
  log(place: Place): LogRecord | undefined;
  /** From `start` (inclusive) to `end` (exclusive), in order. */
  indexRange(start: Buffer, end: Buffer): Iterable<{ readonly key: Buffer; readonly record: IndexRecord }>;
  logRange(start: Place, end: Place): Iterable<{ readonly place: Place; readonly record: LogRecord }>;
  lastPlace(): Place | undefined;
  done(): void;
}

export interface Tables {
  snapshot(): Snapshot;
  /** All or nothing. Resolves when the data file is synced. */
  commit(writes: readonly Write[]): Promise<void>;
  close(): Promise<void>;
}

type BinaryDatabase = Database<Buffer, Buffer>;

/** lmdb-js takes options here, its types forgot them. */
interface Appendable {
  put(key: Buffer, value: Buffer, options: { readonly append: true }): Promise<boolean>;
}

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

export function openTables(file: string, options: { readonly noSync?: boolean } = {}): Tables {
  if (!existsSync(file)) checkRoom(file, 0, 0);
  const root = open<Buffer, Buffer>(file, {
    ...BINARY,
    noSubdir: true,
    maxDbs: 4,
    // With overlapping syncs lmdb-js calls a commit done when readers can see it. Without them `mdb_txn_commit` writes the pages, syncs them,
    // writes the meta page through a descriptor that is opened for synchronous writes, and only then the promise resolves.
    overlappingSync: false,
    // The commit queue makes the batches; lmdb-js shall not wait for more.
    eventTurnBatching: false,
    ...(options.noSync === true ? { noSync: true } : {}),
  });
  try {
    return tablesOf(file, root, root.openDB('log', BINARY), root.openDB('index', BINARY));
  } catch (error) {
    void root.close();
    throw error;
  }
}

function tablesOf(
  file: string,
  root: RootDatabase<Buffer, Buffer>,
  log: BinaryDatabase,
  index: BinaryDatabase,
): Tables {
  let snapshots = 0;
  let closing: Promise<void> | undefined;
  let drained: (() => void) | undefined;
  const done = (): void => {
    snapshots -= 1;
    if (snapshots === 0) drained?.();
  };
  const close = async (): Promise<void> => {
    // Closing under a reader would take the memory map away from it.
    if (snapshots > 0) {
      await new Promise<void>((resolve) => {
        drained = resolve;
      });
    }
    await root.close();
  };
  return {
    snapshot() {
      if (closing !== undefined) throw new CausewayError('ServiceUnavailable', 'storage is closed');
      // A cached read transaction may be older than the last commit.
      root.resetReadTxn();
      snapshots += 1;
      return snapshotOf(root.useReadTransaction(), done, root, log, index);
    },
    async commit(writes) {
      if (writes.length === 0) return;
      checkRoom(file, writes.length, bytesOf(writes));
      try {
        const applied = root.batch(() => {
          for (const write of writes) apply(write, root, log, index);
        });
        // `false` is a condition that failed, and this batch has none.
        if (!(await applied)) throw new CausewayError('InternalError', 'storage: a commit was not applied');
      } catch (error) {
        throw await causeOf(error);
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function bytesOf(writes: readonly Write[]): number {
  return writes.reduce((sum, write) => sum + (write.table === 'state' ? 0 : (write.bytes?.length ?? 0)), 0);
}

function apply(write: Write, root: BinaryDatabase, log: BinaryDatabase, index: BinaryDatabase): void {
  switch (write.table) {
    case 'log':
      if (write.bytes === undefined) void log.remove(encodePlace(write.place));
      else append(log as unknown as Appendable, encodePlace(write.place), write.bytes);
      return;
    case 'index':
      if (write.bytes === undefined) void index.remove(write.key);
      else void index.put(write.key, write.bytes);
      return;
    case 'state':
      void root.put(Buffer.from(write.name), encodeRevision(write.revision));
  }
}

/** Appending keeps the pages of the log full: a third less of them. What becomes of it, the promise of the batch says. */
function append(log: Appendable, key: Buffer, value: Buffer): void {
  log.put(key, value, { append: true }).catch(() => undefined);
}

/** lmdb-js rejects with an error that promises the real one. */
async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    return await error.commitError;
  } catch (cause) {
    return cause;
  }
}

function snapshotOf(
  transaction: Transaction,
  done: () => void,
  root: BinaryDatabase,
  log: BinaryDatabase,
  index: BinaryDatabase,
): Snapshot {
  const options = { transaction };
  return {
    state(name) {
      const bytes = root.get(Buffer.from(name), options);
      return bytes === undefined ? 0 : decodeRevision(bytes);
    },
    index(key) {
      const bytes = index.get(key, options);
      return bytes === undefined ? undefined : decodeIndex(bytes);
    },
    log(place) {
      const bytes = log.get(encodePlace(place), options);
      return bytes === undefined ? undefined : decodeLog(bytes, place);
    },
    *indexRange(start, end) {
      for (const { key, value } of index.getRange({ start, end, transaction }))
        yield { key, record: decodeIndex(value) };
    },
    *logRange(start, end) {
      const range = { start: encodePlace(start), end: encodePlace(end), transaction };
      for (const { key, value } of log.getRange(range)) {
        const place = decodePlace(key);
        yield { place, record: decodeLog(value, place) };
      }
    },
    lastPlace() {
      for (const key of log.getKeys({ reverse: true, limit: 1, transaction })) return decodePlace(key);
      return undefined;
    },
    done() {
      transaction.done();
      done();
    },
  };
}
