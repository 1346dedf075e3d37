import type { CommitQueue } from './commit-queue.ts';
import type { JournaledTables } from './journaled-tables.ts';
import type { Place } from './records.ts';
import type { Upkeep } from './tables.ts';

/** Log records that one commit sweeps: bounds how long transactions wait for it. */
const SWEEP = 512;

/** Says how much history may go: what is older than `keepMs`, and what is more than `keepRevisions` behind. */
export class HistoryPolicy {
  readonly #keepMs: number;
  readonly #keepRevisions: number;
  #samples: { readonly at: number; readonly revision: number }[] = [];

  constructor(keepMs: number, keepRevisions: number) {
    this.#keepMs = keepMs;
    this.#keepRevisions = keepRevisions;
  }

  /** Takes note of the time, and answers the revision up to which history may go; 0 for nothing new. Call it from time to time. */
  observe(now: number, newest: number): number {
    this.#samples.push({ at: now, revision: newest });
    const kept = this.#samples.findIndex((sample) => sample.at > now - this.#keepMs);
    const old = this.#samples.splice(0, kept);
    return Math.max(old.at(-1)?.revision ?? 0, this.excess(newest), 0);
  }

  /** The same by number alone. */
  excess(newest: number): number {
    return newest - this.#keepRevisions;
  }
}

/**
 * Forgets history in two steps. First `compacted` is written: from then on nobody may ask for what is before. Then a sweep removes the records,
 * a few with each commit; a crash in between is no harm, the next sweep goes on at `swept`.
 *
 * A change takes away the one of the same key before it, a deletion also itself. So a sweep reads only the part of the log that was compacted,
 * however large the rest is.
 */
export class Compactor {
  readonly #tables: JournaledTables;
  readonly #queue: CommitQueue;
  #compacted: number;
  #last: Promise<void> = Promise.resolve();

  constructor(tables: JournaledTables, queue: CommitQueue) {
    this.#tables = tables;
    this.#queue = queue;
    const snapshot = tables.snapshot();
    this.#compacted = snapshot.state('compacted');
    snapshot.done();
  }

  get compacted(): number {
    return this.#compacted;
  }

  /** One at a time; resolves when the sweep is through. */
  compact(revision: number): Promise<void> {
    const next = this.#last.then(() => this.#compact(revision));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #compact(asked: number): Promise<void> {
    const revision = Math.min(asked, this.#queue.revision);
    if (revision > this.#compacted) {
      await this.#queue.upkeep(() => [{ set: 'compacted', revision }]);
      this.#compacted = revision;
    }
    let through = false;
    while (!through) {
      await this.#queue.upkeep(() => {
        const swept = planSweep(this.#tables);
        through = swept.through;
        return swept.writes;
      });
    }
  }
}

function planSweep(tables: JournaledTables): { readonly writes: readonly Upkeep[]; readonly through: boolean } {
  const snapshot = tables.snapshot();
  try {
    const compacted = snapshot.state('compacted');
    let reached = snapshot.state('swept');
    if (reached >= compacted) return { writes: [], through: true };
    const writes: Upkeep[] = [];
    const swept = (through: boolean, revision: number): { writes: Upkeep[]; through: boolean } => {
      writes.push({ set: 'swept', revision });
      return { writes, through };
    };
    let seen = 0;
    const range = snapshot.logRange(reached, compacted);
    for (const { place, record } of range) {
      if (seen >= SWEEP && place.revision !== reached) return swept(false, reached);
      if (record.previous.revision > 0) writes.push(removeLog(record.previous));
      if (record.kind === 'delete') {
        writes.push(removeLog(place));
        const key = Buffer.from(record.key);
        const last = snapshot.index(record.key, key);
        if (last !== undefined && samePlace(last, place)) writes.push({ remove: 'index', key });
      }
      reached = place.revision;
      seen += 1;
    }
    return swept(true, compacted);
  } finally {
    snapshot.done();
  }
}

function removeLog(place: Place): Upkeep {
  return { remove: 'log', place };
}

function samePlace(a: Place, b: Place): boolean {
  return a.revision === b.revision && a.sub === b.sub;
}
