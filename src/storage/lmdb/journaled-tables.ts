import { isCode } from '../../lib/errors.ts';
import { MAX_RECENT_BYTES } from '../limits.ts';
import { Journal, type JournalOptions } from './journal.ts';
import { RecentChanges } from './recent.ts';
import type { Change, IndexRecord } from './records.ts';
import { DiskRoom } from './room.ts';
import type { Snapshot, Tables, Upkeep } from './tables.ts';

/** Changes, their bytes, or milliseconds after the first of them, that send the recent changes on to the tables. */
const FLUSH_CHANGES = 512;
const FLUSH_BYTES = 1024 * 1024;
const FLUSH_MS = 200;
/** Milliseconds until a flush that found no room is tried again. */
const RETRY_MS = 1_000;

/** LMDB writes a change to the log and to the index, and the revision. */
const WRITES_PER_CHANGE = 2;

export interface JournaledTablesOptions extends JournalOptions {
  /** On the disk whose room counts. */
  readonly dataFile: string;
  readonly tables: Tables;
  /** Changes that send the recent ones on to the tables: 512 by default. */
  readonly flushChanges?: number;
}

/**
 * Tables with a journal before them. A commit is durable when the journal has it; from then on it is seen here, together with what the tables
 * have. The tables get many commits at a time, synced as well, and only then the journal forgets them.
 *
 * `append` and `upkeep` are for one caller, who waits for each before the next.
 */
export class JournaledTables {
  readonly #room: DiskRoom;
  readonly #flushChanges: number;
  readonly #tables: Tables;
  readonly #journal: Journal;
  /** What the journal's active file holds. */
  #current: RecentChanges;
  /** What the other one holds, while the tables get it. */
  #flushing: RecentChanges | undefined;
  /** What an earlier process left in the journal's files. Until the tables have it, none may be written. */
  #replaying: RecentChanges | undefined;
  #flush: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #appending = false;
  #due = false;
  /** Why nothing can be written any more. */
  #broken: { readonly cause: unknown } | undefined;
  #closed: Promise<void> | undefined;

  /** Gives the tables what they lack of the journal first. A disk without room for it can be read, and written when there is room. */
  static async open(options: JournaledTablesOptions): Promise<JournaledTables> {
    const { journal, changes } = await Journal.open(options);
    const missing = new RecentChanges(options.revision);
    missing.add(changes);
    const journaled = new JournaledTables(options, journal, missing);
    try {
      await journaled.#flushAll();
    } catch (error) {
      if (!isCode(error, 'ServiceUnavailable')) {
        await journal.close();
        throw error;
      }
    }
    return journaled;
  }

  private constructor(options: JournaledTablesOptions, journal: Journal, missing: RecentChanges) {
    this.#room = new DiskRoom(options.dataFile);
    this.#flushChanges = options.flushChanges ?? FLUSH_CHANGES;
    this.#tables = options.tables;
    this.#journal = journal;
    this.#current = new RecentChanges(missing.revision);
    if (missing.count > 0) this.#replaying = this.#flushing = missing;
  }

  /** The last durable one. */
  get revision(): number {
    return this.#current.revision;
  }

  snapshot(): Snapshot {
    const flushing = this.#flushing;
    const recent = flushing === undefined ? [this.#current] : [flushing, this.#current];
    return snapshotOf(
      this.#tables.snapshot(),
      recent.filter((changes) => changes.count > 0),
      this.#current.revision,
    );
  }

  /** Resolves when the changes are on the disk. Throws `ServiceUnavailable`, and has written nothing, when there is no room for them. */
  async append(changes: readonly Change[]): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken.cause;
    await this.#makeRoom(changes);
    this.#appending = true;
    try {
      await this.#journal.append(changes);
    } catch (error) {
      this.#broken = { cause: error };
      throw error;
    } finally {
      this.#appending = false;
    }
    this.#current.add(changes);
    if (this.#due || this.#current.count >= this.#flushChanges || this.#current.bytes >= FLUSH_BYTES)
      this.#startFlush();
    else this.#timer ??= setTimeout(() => this.#startFlush(), FLUSH_MS).unref();
  }

  /** Resolves when the writes are on the disk. */
  async upkeep(writes: readonly Upkeep[]): Promise<void> {
    if (writes.length === 0) return;
    // What is compacted must be in the tables: nothing is ever removed from the recent changes.
    if (writes.some((write) => 'set' in write && write.set === 'compacted')) await this.#flushAll();
    if (this.#broken !== undefined) throw this.#broken.cause;
    this.#room.check(writes.length, 0);
    await this.#tables.upkeep(writes);
  }

  /** What the tables did not get stays in the journal, for the next start. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#flushAll().catch(() => undefined);
    clearTimeout(this.#timer);
    await this.#tables.close();
    await this.#journal.close();
  }

  /** Throws when the changes might not fit. What waits for the tables needs its room too. */
  async #makeRoom(changes: readonly Change[]): Promise<void> {
    if (this.#replaying !== undefined || this.#current.bytes >= MAX_RECENT_BYTES) await this.#flushAll();
    let bytes = 0;
    for (const { logged } of changes) bytes += logged.length;
    bytes += this.#journal.growth(bytes, changes.length);
    const flushing = this.#flushing;
    const waiting = this.#current.count + (flushing?.count ?? 0);
    const waitingBytes = this.#current.bytes + (flushing?.bytes ?? 0);
    if (this.#room.seems(writesOf(waiting + changes.length), waitingBytes + bytes)) return;
    // Mostly LMDB needs less than that. With nothing waiting the question is smaller.
    await this.#flushAll();
    this.#room.check(writesOf(changes.length), bytes);
  }

  /** Not while the journal is written: what is under way belongs to the file that it is written to. */
  #startFlush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = this.#appending || this.#flush !== undefined;
    if (this.#due || this.#broken !== undefined) return;
    if (this.#flushing === undefined) {
      if (this.#current.count === 0) return;
      this.#flushing = this.#current;
      this.#current = new RecentChanges(this.#flushing.revision);
      this.#journal.turn();
    }
    this.#flush = this.#commit(this.#flushing).finally(() => {
      this.#flush = undefined;
      if (this.#due && !this.#appending) this.#startFlush();
    });
    // Those who wait for it, and those who append next, hear of it.
    this.#flush.catch(() => undefined);
  }

  async #commit(changes: RecentChanges): Promise<void> {
    try {
      this.#room.check(writesOf(changes.count), changes.bytes);
    } catch (error) {
      this.#timer ??= setTimeout(() => this.#startFlush(), RETRY_MS).unref();
      throw error;
    }
    try {
      await this.#tables.commit(changes);
    } catch (error) {
      this.#broken = { cause: error };
      throw error;
    }
    this.#flushing = undefined;
    this.#replaying = undefined;
  }

  /** Resolves when the tables have all that was appended. Throws why they cannot get it now. */
  async #flushAll(): Promise<void> {
    while (this.#flushing !== undefined || this.#current.count > 0) {
      if (this.#flush === undefined) this.#startFlush();
      await this.#flush;
      if (this.#broken !== undefined) throw this.#broken.cause;
    }
  }
}

function writesOf(changes: number): number {
  return WRITES_PER_CHANGE * changes + 1;
}

function snapshotOf(tables: Snapshot, recent: readonly RecentChanges[], revision: number): Snapshot {
  if (recent.length === 0) return tables;
  const newestFirst = recent.toReversed();
  return {
    state: (name) => (name === 'revision' ? revision : tables.state(name)),
    index(key, bytes) {
      for (const changes of newestFirst) {
        const place = changes.index(key, revision);
        if (place !== undefined) return place;
      }
      return tables.index(key, bytes);
    },
    log(place) {
      if (place.revision > revision) return undefined;
      for (const changes of newestFirst) {
        if (place.revision > changes.base) return changes.log(place);
      }
      return tables.log(place);
    },
    indexRange(start, end) {
      const last = new Map<string, Change>();
      for (const changes of recent) {
        for (const change of changes.indexRange(start, end, revision)) last.set(change.key, change);
      }
      if (last.size === 0) return tables.indexRange(start, end);
      const ordered = [...last.values()].sort((a, b) => Buffer.compare(a.keyBytes, b.keyBytes));
      return merge(tables.indexRange(start, end), ordered);
    },
    *logRange(after, through) {
      let reached = after;
      for (const found of tables.logRange(after, through)) {
        reached = found.place.revision;
        yield found;
      }
      for (const changes of recent) {
        // The tables may have got these already.
        for (const change of changes.logRange(reached, Math.min(through, revision))) {
          yield { place: change.place, record: change };
        }
      }
    },
    done: () => tables.done(),
  };
}

type Indexed = { readonly key: Buffer; readonly record: IndexRecord };

/** Both are ordered by key; for a key that both have, `recent` counts. */
function* merge(tables: Iterable<Indexed>, recent: readonly Change[]): Generator<Indexed> {
  let next = 0;
  for (const found of tables) {
    let order = 1;
    while (next < recent.length) {
      const { keyBytes, place } = recent[next]!;
      order = Buffer.compare(found.key, keyBytes);
      if (order < 0) break;
      next += 1;
      yield { key: keyBytes, record: place };
      if (order === 0) break;
    }
    if (order !== 0) yield found;
  }
  for (; next < recent.length; next++) yield { key: recent[next]!.keyBytes, record: recent[next]!.place };
}
