import type { CommitQueue } from './commit-queue.ts';
import type { Place } from './records.ts';
import type { Tables, Write } from './tables.ts';

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
  readonly #tables: Tables;
  readonly #queue: CommitQueue;
  #compacted: number;
  #last: Promise<void> = Promise.resolve();

  constructor(tables: Tables, queue: CommitQueue) {
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
      await this.#queue.upkeep(() => [{ table: 'state', name: 'compacted', revision }]);
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

function planSweep(tables: Tables): { readonly writes: readonly Write[]; readonly through: boolean } {
  const snapshot = tables.snapshot();
  try {
    const compacted = snapshot.state('compacted');
    let reached = snapshot.state('swept');
    if (reached >= compacted) return { writes: [], through: true };
    const writes: Write[] = [];
    const swept = (through: boolean, revision: number): { writes: Write[]; through: boolean } => {
      writes.push({ table: 'state', name: 'swept', revision });
      return { writes, through };
    };
    let seen = 0;
    const range = snapshot.logRange({ revision: reached + 1, sub: 0 }, { revision: compacted + 1, sub: 0 });
    for (const { place, record } of range) {
      if (seen >= SWEEP && place.revision !== reached) return swept(false, reached);
      if (record.previous.revision > 0) writes.push(removeLog(record.previous));
      if (record.kind === 'delete') {
        writes.push(removeLog(place));
        const key = Buffer.from(record.key);
        const last = snapshot.index(key);
        if (last !== undefined && samePlace(last, place)) writes.push({ table: 'index', key, bytes: undefined });
      }
      reached = place.revision;
      seen += 1;
    }
    return swept(true, compacted);
  } finally {
    snapshot.done();
  }
}

function removeLog(place: Place): Write {
  return { table: 'log', place: place, bytes: undefined };
}

function samePlace(a: Place, b: Place): boolean {
  return a.revision === b.revision && a.sub === b.sub;
}
