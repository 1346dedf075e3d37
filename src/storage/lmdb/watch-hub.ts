import { CausewayError } from '../../lib/errors.ts';
import { MAX_WATCH_BYTES, MAX_WATCH_EVENTS } from '../limits.ts';
import type { WatchEvent } from '../store.ts';

/** Hands each commit's changes to the watchers of their prefix. */
export class WatchHub {
  readonly #subscriptions = new Set<Subscription>();

  /** From the next commit on. Ends when `signal` aborts or the hub closes. */
  subscribe(prefix: string, signal: AbortSignal): Subscription {
    const subscription = new Subscription(prefix, signal, () => this.#subscriptions.delete(subscription));
    if (!subscription.ended) this.#subscriptions.add(subscription);
    return subscription;
  }

  publish(events: readonly WatchEvent[]): void {
    for (const subscription of this.#subscriptions) subscription.offer(events);
  }

  close(): void {
    for (const subscription of [...this.#subscriptions]) subscription.close();
  }
}

export class Subscription {
  readonly #prefix: string;
  readonly #signal: AbortSignal;
  readonly #left: () => void;
  readonly #abort = (): void => this.close();
  #batches: (readonly WatchEvent[])[] = [];
  #count = 0;
  #bytes = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  #tooSlow = false;

  constructor(prefix: string, signal: AbortSignal, left: () => void) {
    this.#prefix = prefix;
    this.#signal = signal;
    this.#left = left;
    if (signal.aborted) this.#ended = true;
    else signal.addEventListener('abort', this.#abort, { once: true });
  }

  get ended(): boolean {
    return this.#ended;
  }

  offer(events: readonly WatchEvent[]): void {
    const mine = events.every((event) => event.key.startsWith(this.#prefix))
      ? events
      : events.filter((event) => event.key.startsWith(this.#prefix));
    if (mine.length === 0) return;
    this.#batches.push(mine);
    this.#count += mine.length;
    for (const event of mine) this.#bytes += event.value.length;
    if (this.#count > MAX_WATCH_EVENTS || this.#bytes > MAX_WATCH_BYTES) {
      this.#tooSlow = true;
      this.close();
    }
    this.#wake?.();
  }

  /** All that waits, or `undefined` at the end. Throws `Expired` when the watcher was too slow. */
  async next(): Promise<readonly WatchEvent[] | undefined> {
    while (this.#batches.length === 0) {
      if (this.#tooSlow) throw new CausewayError('Expired', 'the watch fell too far behind');
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    const batches = this.#batches;
    this.#batches = [];
    this.#count = 0;
    this.#bytes = 0;
    return batches.length === 1 ? batches[0] : batches.flat();
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal.removeEventListener('abort', this.#abort);
    this.#batches = [];
    this.#left();
    this.#wake?.();
  }
}
