import { BOOKMARK_BEFORE_END_MS, BOOKMARK_MS } from './limits.ts';

/** When a watcher's bookmarks are due: from time to time, and once shortly before its end. */
export class BookmarkTimes {
  readonly #beforeEnd: number;
  #next: number;

  /** `endsAt` is when the watch ends, if that is known. */
  constructor(now: number, endsAt = Number.POSITIVE_INFINITY) {
    this.#beforeEnd = endsAt - BOOKMARK_BEFORE_END_MS;
    this.#next = this.#after(now);
  }

  /** True when one is due: it is taken for sent. */
  isDue(now: number): boolean {
    if (now < this.#next) return false;
    this.#next = this.#after(now);
    return true;
  }

  #after(now: number): number {
    const regular = now + BOOKMARK_MS;
    return this.#beforeEnd > now ? Math.min(regular, this.#beforeEnd) : regular;
  }
}
