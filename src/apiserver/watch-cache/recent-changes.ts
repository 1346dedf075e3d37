import type { Change } from './events.ts';
import { MAX_RECENT_BYTES, MAX_RECENT_CHANGES } from './limits.ts';

/** Changes whose frames are kept: watchers that are a little behind still find them. */
const WITH_FRAMES = 32;

/** The last changes of a resource, for watchers that resume. */
export class RecentChanges {
  #changes: (Change | undefined)[] = [];
  #start = 0;
  #bytes = 0;
  #floor: number;

  /** Nothing is known of changes at or before `floor`. */
  constructor(floor: number) {
    this.#floor = floor;
  }

  push(change: Change): void {
    this.#changes.push(change);
    this.#bytes += change.size;
    this.#changes[this.#changes.length - WITH_FRAMES]?.forgetFrames();
    while (this.#changes.length - this.#start > MAX_RECENT_CHANGES || this.#bytes > MAX_RECENT_BYTES) this.#drop();
    if (this.#start > MAX_RECENT_CHANGES) {
      this.#changes = this.#changes.slice(this.#start);
      this.#start = 0;
    }
  }

  /** All changes after `revision`, or `undefined` when some of them are not here any more. */
  after(revision: number): readonly Change[] | undefined {
    if (revision < this.#floor) return undefined;
    const found: Change[] = [];
    for (let i = this.#changes.length - 1; i >= this.#start; i--) {
      const change = this.#changes[i] as Change;
      if (change.revision <= revision) break;
      found.push(change);
    }
    return found.reverse();
  }

  #drop(): void {
    const dropped = this.#changes[this.#start] as Change;
    // The array is cut later, but the memory goes now.
    this.#changes[this.#start] = undefined;
    this.#start += 1;
    this.#bytes -= dropped.size;
    this.#floor = dropped.revision;
  }
}
