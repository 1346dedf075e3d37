import type { Clock } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { keyBytes } from '../keys.ts';
import type { Entry, ListOptions, ListResult, Store, TxnOp, TxnResult, WatchEvent } from '../store.ts';
import { CommitQueue } from './commit-queue.ts';
import { Compactor, HistoryPolicy } from './compaction.ts';
import { openDataDirectory } from './data-directory.ts';
import { explainDiskError } from './disk-error.ts';
import { listPrefix, readChanges } from './history.ts';
import { JournaledTables } from './journaled-tables.ts';
import { DiskRoom } from './room.ts';
import { openTables, type Snapshot, type Tables } from './tables.ts';
import { WatchHub } from './watch-hub.ts';

export interface LmdbStoreOptions {
  /** Made with mode 0700 when it is not there. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds that history is kept: how long a client may be away and still resume its watch. 5 minutes by default, as with etcd. */
  readonly historyMs?: number;
  /** Revisions of history that are kept at most, whatever their age: 100,000 by default. Bounds the disk. */
  readonly historyLimit?: number;
  /** Milliseconds between two looks at what is old: 30 s by default. */
  readonly compactionCheckMs?: number;
}

const HISTORY_MS = 5 * 60_000;
const HISTORY_LIMIT = 100_000;
const COMPACTION_CHECK_MS = 30_000;

/**
 * Opens the embedded store. Throws a `CausewayError` with one line, and changes nothing, when the directory is not a store's, damaged, or in
 * use by another process.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  return openStore(options, {});
}

/** For tests. Without `sync` nothing waits for the disk; `flushChanges` is how far the tables may be behind the journal. */
export interface StoreTuning {
  readonly sync?: boolean;
  readonly flushChanges?: number;
}

export async function openStore(options: LmdbStoreOptions, tuning: StoreTuning): Promise<Store> {
  const { sync = true } = tuning;
  const directory = await openDataDirectory(options.directory);
  let tables: Tables | undefined;
  try {
    if (directory.fresh) new DiskRoom(directory.dataFile).check(0, 0);
    tables = openTables(directory.dataFile, { noSync: !sync });
    const revision = checkTables(tables, options.directory);
    if (directory.fresh) await tables.upkeep([{ set: 'revision', revision }]);
    const journaled = await JournaledTables.open({ ...directory, ...tuning, tables, revision, sync });
    if (directory.fresh) await directory.complete();
    return new LmdbStore(options, journaled, () => directory.release());
  } catch (error) {
    await tables?.close();
    await directory.release();
    if (error instanceof CausewayError) throw error;
    throw new CausewayError('Conflict', `data directory ${options.directory} cannot be opened`, { cause: error });
  }
}

function checkTables(tables: Tables, directory: string): number {
  const snapshot = tables.snapshot();
  try {
    const revision = snapshot.state('revision');
    const last = snapshot.lastPlace()?.revision ?? 0;
    if (last > revision || snapshot.state('compacted') > revision) {
      throw new CausewayError('Conflict', `data directory ${directory} is damaged: its log and its revision differ`);
    }
    return revision;
  } finally {
    snapshot.done();
  }
}

class LmdbStore implements Store {
  readonly #tables: JournaledTables;
  readonly #release: () => Promise<void>;
  readonly #log: Log;
  readonly #queue: CommitQueue;
  readonly #hub = new WatchHub();
  readonly #compactor: Compactor;
  readonly #policy: HistoryPolicy;
  readonly #timer: NodeJS.Timeout;
  readonly #slack: number;
  #compacting = false;
  #closing: Promise<void> | undefined;

  constructor(options: LmdbStoreOptions, tables: JournaledTables, release: () => Promise<void>) {
    this.#tables = tables;
    this.#release = release;
    this.#log = options.log;
    this.#queue = new CommitQueue({
      tables,
      revision: tables.revision,
      committed: (newest, events) => this.#committed(newest, events),
      explain: (error) => explainDiskError(options.directory, error),
    });
    const keepRevisions = options.historyLimit ?? HISTORY_LIMIT;
    this.#compactor = new Compactor(tables, this.#queue);
    this.#policy = new HistoryPolicy(options.historyMs ?? HISTORY_MS, keepRevisions);
    // Compacting a few revisions with each write would double the commits.
    this.#slack = Math.ceil(keepRevisions / 8);
    this.#timer = setInterval(() => {
      this.#forget(this.#policy.observe(options.clock.now(), this.#queue.revision));
    }, options.compactionCheckMs ?? COMPACTION_CHECK_MS);
    this.#timer.unref();
    this.#policy.observe(options.clock.now(), tables.revision);
    // What a crash left of the last sweep.
    this.#forget(this.#compactor.compacted, true);
  }

  revision(): number {
    return this.#queue.revision;
  }

  async get(key: string): Promise<Entry | undefined> {
    const bytes = keyBytes(key);
    const snapshot = this.#snapshot();
    try {
      const record = snapshot.index(key, bytes);
      if (record?.kind !== 'put') return undefined;
      const logged = snapshot.log(record);
      if (logged === undefined) throw new CausewayError('InternalError', `storage: the value of ${key} is missing`);
      return { key, value: logged.value, modRevision: record.revision };
    } finally {
      snapshot.done();
    }
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    this.#checkOpen();
    return listPrefix(this.#tables, prefix, options);
  }

  txn(ops: readonly TxnOp[]): Promise<TxnResult> {
    return this.#queue.txn(ops);
  }

  async *changes(
    prefix: string,
    afterRevision: number,
    throughRevision: number,
  ): AsyncGenerator<readonly WatchEvent[]> {
    this.#checkOpen();
    yield* readChanges(this.#tables, prefix, afterRevision, throughRevision);
  }

  async *watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncGenerator<readonly WatchEvent[]> {
    this.#checkOpen();
    const subscription = this.#hub.subscribe(prefix, signal);
    try {
      const present = this.revision();
      for await (const batch of readChanges(this.#tables, prefix, afterRevision, present)) {
        if (subscription.ended) break;
        yield batch;
      }
      for (let batch = await subscription.next(); batch !== undefined; batch = await subscription.next()) {
        const later = afterRevision > present ? batch.filter((event) => event.revision > afterRevision) : batch;
        if (later.length > 0) yield later;
      }
    } finally {
      subscription.close();
    }
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen();
    await this.#compactor.compact(revision);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    this.#hub.close();
    await this.#queue.close();
    await this.#tables.close();
    await this.#release();
  }

  #committed(newest: number, events: readonly WatchEvent[]): void {
    this.#hub.publish(events);
    const excess = this.#policy.excess(newest);
    if (excess > this.#compactor.compacted + this.#slack) this.#forget(excess);
  }

  #forget(revision: number, again = false): void {
    if (this.#compacting || (revision <= this.#compactor.compacted && !again)) return;
    this.#compacting = true;
    this.#compactor
      .compact(revision)
      .catch((error: unknown) => {
        if (this.#closing === undefined) this.#log.warn('compaction failed', { error: String(error) });
      })
      .finally(() => {
        this.#compacting = false;
      });
  }

  #snapshot(): Snapshot {
    this.#checkOpen();
    return this.#tables.snapshot();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new CausewayError('ServiceUnavailable', 'storage is closed');
  }
}
