import { isCode } from '../../lib/errors.ts';
import type { BookmarkTimes } from './bookmark-times.ts';
import type { Change, FramedEvent } from './events.ts';
import { MAX_WATCHER_BYTES, MAX_WATCHER_EVENTS } from './limits.ts';
import type { CacheEvent, Selection, WatchStream } from './watch-cache.ts';

export interface WatcherOptions {
  readonly selection: Selection;
  readonly signal: AbortSignal;
  /** What comes before the live events. */
  readonly first: AsyncIterable<readonly CacheEvent[]> | undefined;
  /** Changes up to this revision are in `first`, or known to the client. */
  readonly after: number;
  /** Undefined for a watcher that wants none. */
  readonly bookmarks: BookmarkTimes | undefined;
  readonly left: (watcher: Watcher) => void;
}

/** One client's watch: a bounded queue between the cache and a connection. */
export class Watcher implements WatchStream {
  readonly selection: Selection;
  readonly bookmarks: BookmarkTimes | undefined;
  readonly #options: WatcherOptions;
  readonly #abort = (): void => this.end('aborted');
  #queue: FramedEvent[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;
  #ended: WatchStream['ended'];

  constructor(options: WatcherOptions) {
    this.selection = options.selection;
    this.bookmarks = options.bookmarks;
    this.#options = options;
    if (options.signal.aborted) this.#ended = 'aborted';
    else options.signal.addEventListener('abort', this.#abort, { once: true });
  }

  get ended(): WatchStream['ended'] {
    return this.#ended;
  }

  offer(change: Change): void {
    const { name, matches } = this.selection;
    if (change.revision <= this.#options.after) return;
    if (name !== undefined && name !== '' && change.name !== name) return;
    let event: FramedEvent | undefined;
    try {
      event = change.event(matches);
    } catch {
      // A selector that fails must end its own watch, and no other.
      this.end('closed');
    }
    if (event !== undefined) this.#push(event);
  }

  bookmark(event: FramedEvent): void {
    // A client that named a revision of the future is told nothing older.
    if (event.resourceVersion >= this.#options.after) this.#push(event);
  }

  #push(event: FramedEvent): void {
    if (this.#ended !== undefined) return;
    this.#queue.push(event);
    this.#bytes += event.object.bytes.length;
    if (this.#queue.length > MAX_WATCHER_EVENTS || this.#bytes > MAX_WATCHER_BYTES) this.end('too-slow');
    else this.#wake?.();
  }

  end(why: NonNullable<WatchStream['ended']>): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#queue = [];
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#options.left(this);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly CacheEvent[]> {
    try {
      if (this.#options.first !== undefined) {
        yield* this.#untilEnded(this.#options.first);
      }
      while (this.#ended === undefined) {
        if (this.#queue.length === 0) await this.#something();
        const batch = this.#queue;
        if (batch.length === 0) continue;
        this.#queue = [];
        this.#bytes = 0;
        yield batch;
      }
    } finally {
      this.end('aborted');
    }
  }

  async *#untilEnded(batches: AsyncIterable<readonly CacheEvent[]>): AsyncGenerator<readonly CacheEvent[]> {
    try {
      for await (const batch of batches) {
        if (this.#ended !== undefined) return;
        yield batch;
      }
    } catch (error) {
      // The history went away while the client was reading it.
      if (!isCode(error, 'Expired')) throw error;
      this.end('too-slow');
    }
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
