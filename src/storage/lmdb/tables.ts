import { type Database, open, type RootDatabase, type Transaction } from 'lmdb';
import { CausewayError } from '../../lib/errors.ts';
import type { RecentChanges } from './recent.ts';
import {
  decodeIndex,
  decodeLog,
  decodePlace,
  decodeRevision,
  encodeIndex,
  encodePlace,
  encodeRevision,
  type IndexRecord,
  type LogRecord,
  type Place,
} from './records.ts';

/** A write that is no change of an object: it gets no revision, and nobody watches it. */
export type Upkeep =
  | { readonly remove: 'log'; readonly place: Place }
  | { readonly remove: 'index'; readonly key: Buffer }
  | { readonly set: StateName; readonly revision: number };

/** `revision`: of the last commit. `compacted`: history up to it is given up. `swept`: its records are really gone. */
export type StateName = 'revision' | 'compacted' | 'swept';

/** A consistent view. Take one, read, and `done()` it soon: pages that it sees are not used again until then. */
export interface Snapshot {
  state(name: StateName): number;
  /** `bytes` are those of `key`. */
  index(key: string, bytes: Buffer): IndexRecord | undefined;
  log(place: Place): LogRecord | undefined;
  /** From `start` (inclusive) to `end` (exclusive), in order. */
  indexRange(start: Buffer, end: Buffer): Iterable<{ readonly key: Buffer; readonly record: IndexRecord }>;
  /** With `after` < revision <= `through`, in order. */
  logRange(after: number, through: number): Iterable<{ readonly place: Place; readonly record: LogRecord }>;
  done(): void;
}

export interface TablesSnapshot extends Snapshot {
  /** Of the last change in the log. */
  lastPlace(): Place | undefined;
}

/** What of the tables those need who read and write the store: `journaled-tables.ts` puts the journal before them. */
export interface Tables {
  snapshot(): TablesSnapshot;
  /** All or nothing. Resolves when they are on the disk. They follow what was committed before. */
  commit(changes: RecentChanges): Promise<void>;
  /** All or nothing, and on the disk when it resolves. */
  upkeep(writes: readonly Upkeep[]): Promise<void>;
  close(): Promise<void>;
}

type BinaryDatabase = Database<Buffer, Buffer>;

/** lmdb-js takes options here, its types forgot them. */
interface Appendable {
  put(key: Buffer, value: Buffer, options: { readonly append: true }): Promise<boolean>;
}

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

export function openTables(file: string, options: { readonly noSync?: boolean } = {}): Tables {
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
    return tablesOf(root, root.openDB('log', BINARY), root.openDB('index', BINARY));
  } catch (error) {
    void root.close();
    throw error;
  }
}

function tablesOf(root: RootDatabase<Buffer, Buffer>, log: BinaryDatabase, index: BinaryDatabase): Tables {
  let snapshots = 0;
  let closing: Promise<void> | undefined;
  let drained: (() => void) | undefined;
  const done = (): void => {
    snapshots -= 1;
    if (snapshots === 0) drained?.();
  };
  const batch = async (write: () => void): Promise<void> => {
    try {
      // `false` is a condition that failed, and these batches have none.
      if (!(await root.batch(write))) throw new Error('a commit was not applied');
    } catch (error) {
      throw await causeOf(error);
    }
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
    commit: (changes) =>
      batch(() => {
        for (const { place, logged } of changes.logRange(changes.base, changes.revision)) {
          append(log as unknown as Appendable, encodePlace(place), logged);
        }
        for (const { keyBytes, place } of changes.latest()) void index.put(keyBytes, encodeIndex(place, place.kind));
        applyUpkeep({ set: 'revision', revision: changes.revision }, root, log, index);
      }),
    upkeep: (writes) =>
      batch(() => {
        for (const write of writes) applyUpkeep(write, root, log, index);
      }),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function applyUpkeep(write: Upkeep, root: BinaryDatabase, log: BinaryDatabase, index: BinaryDatabase): void {
  if ('set' in write) void root.put(Buffer.from(write.set), encodeRevision(write.revision));
  else if (write.remove === 'log') void log.remove(encodePlace(write.place));
  else void index.remove(write.key);
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
): TablesSnapshot {
  const options = { transaction };
  return {
    state(name) {
      const bytes = root.get(Buffer.from(name), options);
      return bytes === undefined ? 0 : decodeRevision(bytes);
    },
    index(_key, bytes) {
      const found = index.get(bytes, options);
      return found === undefined ? undefined : decodeIndex(found);
    },
    log(place) {
      const bytes = log.get(encodePlace(place), options);
      return bytes === undefined ? undefined : decodeLog(bytes, place);
    },
    *indexRange(start, end) {
      for (const { key, value } of index.getRange({ start, end, transaction }))
        yield { key, record: decodeIndex(value) };
    },
    *logRange(after, through) {
      const start = encodePlace({ revision: after + 1, sub: 0 });
      const end = encodePlace({ revision: through + 1, sub: 0 });
      const range = { start, end, transaction };
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
