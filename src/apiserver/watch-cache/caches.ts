import type { Clock } from '../../lib/clock.ts';
import { backoff, sleep } from '../../lib/deadline.ts';
import type { Log } from '../../lib/log.ts';
import { REGISTRY_PREFIX, resourcePrefix } from '../../storage/keys.ts';
import type { Store, WatchEvent } from '../../storage/store.ts';
import { BOOKMARK_CHECK_MS } from './limits.ts';
import { Progress } from './progress.ts';
import { ResourceCache } from './resource-cache.ts';
import type { CachedResource, WatchCache, WatchCaches } from './watch-cache.ts';

export interface WatchCachesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 5_000;

export function createWatchCaches(options: WatchCachesOptions): WatchCaches {
  return new Caches(options);
}

/** One watch of the whole store feeds all caches, so that they share one revision: all changes up to it are in each of them. */
class Caches implements WatchCaches {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #caches = new Map<string, ResourceCache>();
  readonly #progress: Progress;
  readonly #closing = new AbortController();
  readonly #feed: Promise<void>;
  readonly #timer: NodeJS.Timeout;

  constructor(options: WatchCachesOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#progress = new Progress(options.store.revision());
    this.#feed = this.#run();
    this.#timer = setInterval(() => {
      for (const cache of this.#caches.values()) cache.tick();
    }, BOOKMARK_CHECK_MS);
    this.#timer.unref();
  }

  of(resource: CachedResource): WatchCache {
    const prefix = resourcePrefix(resource.group, resource.plural);
    let cache = this.#caches.get(prefix);
    if (cache === undefined) {
      const { clock, store } = { clock: this.#clock, store: this.#store };
      cache = new ResourceCache({ resource, prefix, store, clock, progress: this.#progress });
      this.#caches.set(prefix, cache);
    }
    return cache;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    for (const cache of this.#caches.values()) cache.reset();
    await this.#feed;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const start = this.#store.revision();
      // A cache that was loaded before the watch starts could lack what came in between.
      for (const cache of this.#caches.values()) cache.reset();
      const watch = this.#store.watch('', start, signal)[Symbol.asyncIterator]();
      let next = watch.next();
      this.#progress.advance(start);
      try {
        for (let batch = await next; batch.done !== true; batch = await next) {
          attempt = 0;
          this.#apply(batch.value);
          next = watch.next();
        }
      } catch (error) {
        this.#log.error('the watch of the store failed', { error: String(error) });
      }
      if (!signal.aborted) await sleep(backoff(attempt, RETRY_BASE_MS, RETRY_MAX_MS), signal);
    }
    for (const cache of this.#caches.values()) cache.reset();
  }

  #apply(batch: readonly WatchEvent[]): void {
    let revision = 0;
    for (const event of batch) {
      this.#cacheFor(event.key)?.apply(event);
      revision = event.revision;
    }
    this.#progress.advance(revision);
  }

  /** `/registry/pods/…` or `/registry/apps/deployments/…`. */
  #cacheFor(key: string): ResourceCache | undefined {
    const first = key.indexOf('/', REGISTRY_PREFIX.length);
    if (first < 0) return undefined;
    const core = this.#caches.get(key.slice(0, first + 1));
    if (core !== undefined) return core;
    const second = key.indexOf('/', first + 1);
    return second < 0 ? undefined : this.#caches.get(key.slice(0, second + 1));
  }
}
