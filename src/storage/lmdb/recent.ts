import type { Change, IndexRecord, Place } from './records.ts';

/** A change, and the one of the same key before it among the same recent changes. */
interface Link {
  readonly change: Change;
  readonly older: Link | undefined;
}

/**
 * Durable changes that the tables do not have yet, in memory. Changes are only ever added: whoever reads says up to which revision, and so sees
 * one state however long it takes.
 */
export class RecentChanges {
  /** The revision before the first one here. */
  readonly base: number;
  count = 0;
  bytes = 0;
  /** All changes of a revision, by its distance to the first. */
  readonly #revisions: Change[][] = [];
  readonly #byKey = new Map<string, Link>();

  constructor(base: number) {
    this.base = base;
  }

  /** The last revision here; `base` when there is none. */
  get revision(): number {
    return this.base + this.#revisions.length;
  }

  /** Takes the changes of a commit: they follow those that are here without a gap. */
  add(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.place.sub === 0) this.#revisions.push([change]);
      else this.#revisions.at(-1)!.push(change);
      this.#byKey.set(change.key, { change, older: this.#byKey.get(change.key) });
      this.count += 1;
      this.bytes += change.logged.length;
    }
  }

  log(place: Place): Change | undefined {
    return this.#revisions[place.revision - this.base - 1]?.[place.sub];
  }

  /** The place of the last change of `key` that is not after `revision`. */
  index(key: string, revision: number): IndexRecord | undefined {
    let link = this.#byKey.get(key);
    while (link !== undefined && link.change.place.revision > revision) link = link.older;
    return link?.change.place;
  }

  /** The last changes of all keys from `start` (inclusive) to `end` (exclusive) that are not after `revision`, unordered. */
  *indexRange(start: Buffer, end: Buffer, revision: number): Generator<Change> {
    for (let link of this.#byKey.values()) {
      const { keyBytes } = link.change;
      if (Buffer.compare(keyBytes, start) < 0 || Buffer.compare(keyBytes, end) >= 0) continue;
      while (link.change.place.revision > revision && link.older !== undefined) link = link.older;
      if (link.change.place.revision <= revision) yield link.change;
    }
  }

  /** The changes with `after` < revision <= `through`, in order. */
  *logRange(after: number, through: number): Generator<Change> {
    const first = Math.max(after - this.base, 0);
    const last = Math.min(through - this.base, this.#revisions.length);
    for (let at = first; at < last; at++) yield* this.#revisions[at]!;
  }

  /** The last change of each key. */
  *latest(): Generator<Change> {
    for (const { change } of this.#byKey.values()) yield change;
  }
}
