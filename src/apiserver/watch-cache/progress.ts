import { tooLarge } from './expired.ts';
import { FRESH_MS } from './limits.ts';

interface Waiter {
  readonly revision: number;
  readonly resolve: () => void;
}

/** How far the feed has come, over all resources. */
export class Progress {
  #revision: number;
  readonly #waiters = new Set<Waiter>();

  constructor(revision: number) {
    this.#revision = revision;
  }

  /** All changes up to this one are in the caches. */
  get revision(): number {
    return this.#revision;
  }

  advance(revision: number): void {
    this.#revision = revision;
    for (const waiter of this.#waiters) {
      if (waiter.revision <= revision) waiter.resolve();
    }
  }

  /** Waits for a revision: a moment for one that is durable, in vain for one of the future. Throws `Timeout`. */
  async reach(revision: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#revision >= revision) return;
    await new Promise<void>((resolve, reject) => {
      const end = (finish: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        this.#waiters.delete(waiter);
        finish();
      };
      const waiter: Waiter = { revision, resolve: () => end(resolve) };
      const timer = setTimeout(() => end(() => reject(tooLarge(revision, this.#revision))), FRESH_MS);
      const aborted = (): void => end(() => reject(signal?.reason));
      signal?.addEventListener('abort', aborted, { once: true });
      if (signal?.aborted === true) aborted();
      else this.#waiters.add(waiter);
    });
  }
}
