import type { Clock } from '../../lib/clock.ts';
import { CompactedError, type Store, type WatchEvent } from '../../storage/store.ts';
import { BookmarkTimes } from './bookmark-times.ts';
import { StoredObject } from './cached-object.ts';
import { bookmark, Change, FramedEvent } from './events.ts';
import { ContinueExpiredError, listExpired, watchExpired } from './expired.ts';
import { INITIAL_BATCH } from './limits.ts';
import { isSelected, pageOf, rangeOf } from './page.ts';
import type { Progress } from './progress.ts';
import { RecentChanges } from './recent-changes.ts';
import { listMode, parseRevision, watchMode } from './request-options.ts';
import { Snapshots } from './snapshots.ts';
import { SortedObjects } from './sorted-objects.ts';
import type {
  CachedList,
  CachedObject,
  CachedResource,
  CacheEvent,
  CacheFollower,
  GetRequest,
  ListRequest,
  Selection,
  WatchCache,
  WatchRequest,
  WatchStream,
} from './watch-cache.ts';
import { Watcher } from './watcher.ts';
import { Watchers } from './watchers.ts';

export interface ResourceCacheOptions {
  readonly resource: CachedResource;
  readonly prefix: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly progress: Progress;
}

/** What a cache holds once it is loaded. */
interface Loaded {
  readonly objects: SortedObjects;
  readonly recent: RecentChanges;
  /** The revision of the state that was loaded: older changes are in it. */
  readonly revision: number;
  /** The revision of the last change of this resource, or of the loading. */
  lastChange: number;
}

type Batches = AsyncIterable<readonly CacheEvent[]>;

export class ResourceCache implements WatchCache {
  readonly #resource: CachedResource;
  readonly #prefix: string;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #progress: Progress;
  readonly #watchers = new Watchers();
  readonly #snapshots = new Snapshots();
  readonly #followers: CacheFollower[] = [];
  #loaded: Loaded | undefined;
  #loading: Promise<Loaded> | undefined;
  /** Changes that come while the state is being loaded. */
  #early: WatchEvent[] = [];
  /** Counts resets, so that a load that a reset overtakes starts over. */
  #generation = 0;

  constructor(options: ResourceCacheOptions) {
    this.#resource = options.resource;
    this.#prefix = options.prefix;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#progress = options.progress;
  }

  async get(namespace: string, name: string, request: GetRequest = {}): Promise<CachedObject | undefined> {
    const { resourceVersion = '', signal } = request;
    const atLeast = resourceVersion === '' ? this.#store.revision() : parseRevision(resourceVersion);
    const loaded = this.#freshNow(atLeast) ?? (await this.#fresh(atLeast, signal));
    // A name with a slash would reach into another namespace.
    if (name.includes('/') || namespace.includes('/')) return undefined;
    return loaded.objects.get(this.#prefix + (namespace === '' ? name : `${namespace}/${name}`));
  }

  async list(request: ListRequest): Promise<CachedList> {
    const mode = listMode(request);
    const newest = this.#store.revision();
    switch (mode.type) {
      case 'any':
        return this.#present(await this.#fresh(0, request.signal), request);
      case 'newest':
        return this.#present(this.#freshNow(newest) ?? (await this.#fresh(newest, request.signal)), request);
      case 'not-older':
        return this.#present(await this.#fresh(mode.revision, request.signal), request);
      case 'exact':
        return this.#past(mode.revision, request);
      case 'continue': {
        const { revision, after } = mode.token;
        if (revision > 0) return this.#past(revision, request, after);
        return this.#present(await this.#fresh(newest, request.signal), request, after);
      }
    }
  }

  async watch(request: WatchRequest): Promise<WatchStream> {
    const mode = watchMode(request);
    const newest = this.#store.revision();
    switch (mode.type) {
      case 'initial': {
        const loaded = await this.#fresh(mode.atLeast === 'newest' ? newest : mode.atLeast, request.signal);
        const revision = this.#revisionOf(loaded);
        const initial = this.#initial(loaded, revision, request, request.allowBookmarks === true);
        return this.#attach(request, revision, initial);
      }
      case 'from-any':
      case 'from-newest': {
        const loaded = await this.#fresh(mode.type === 'from-any' ? 0 : newest, request.signal);
        return this.#attach(request, this.#revisionOf(loaded), undefined);
      }
      case 'from':
        return this.#resume(await this.#load(), mode.revision, request);
    }
  }

  async follow(follower: CacheFollower): Promise<void> {
    const loaded = await this.#load();
    this.#followers.push(follower);
    follower.reset(loaded.objects.all);
  }

  /** Takes the next change of this resource from the feed. */
  apply(event: WatchEvent): void {
    const loaded = this.#loaded;
    if (loaded !== undefined) this.#applyTo(loaded, event);
    else if (this.#loading !== undefined) this.#early.push(event);
  }

  /** Forgets everything after a gap in the feed. Watches end; their clients come back and resume from the store's history. */
  reset(): void {
    this.#generation += 1;
    this.#loaded = undefined;
    this.#early = [];
    this.#snapshots.clear();
    this.#watchers.end();
  }

  /** From time to time: bookmarks, and what is kept for a while. */
  tick(): void {
    const now = this.#clock.now();
    this.#snapshots.forget(now);
    const loaded = this.#loaded;
    if (loaded === undefined) return;
    this.#watchers.bookmark(now, () => bookmark(this.#resource, this.#revisionOf(loaded), false));
  }

  #applyTo(loaded: Loaded, event: WatchEvent): void {
    const { key, value, revision } = event;
    if (revision <= loaded.revision) return;
    const object = new StoredObject(this.#prefix, key, value, revision);
    const change =
      event.type === 'put'
        ? Change.put(this.#prefix, object, loaded.objects.set(object))
        : Change.delete(this.#prefix, object, loaded.objects.delete(key));
    loaded.lastChange = revision;
    loaded.recent.push(change);
    for (const follower of this.#followers) follower.changed(object, event.type === 'delete');
    this.#watchers.offer(change);
  }

  /** All changes up to here are in the cache. */
  #revisionOf(loaded: Loaded): number {
    return Math.max(loaded.revision, this.#progress.revision);
  }

  #freshNow(atLeast: number): Loaded | undefined {
    const loaded = this.#loaded;
    return loaded !== undefined && this.#revisionOf(loaded) >= atLeast ? loaded : undefined;
  }

  async #fresh(atLeast: number, signal: AbortSignal | undefined): Promise<Loaded> {
    for (;;) {
      const loaded = this.#loaded ?? (await this.#load());
      if (this.#revisionOf(loaded) >= atLeast) return loaded;
      await this.#progress.reach(atLeast, signal);
    }
  }

  #load(): Promise<Loaded> {
    if (this.#loaded !== undefined) return Promise.resolve(this.#loaded);
    this.#loading ??= this.#loadState().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #loadState(): Promise<Loaded> {
    for (;;) {
      const generation = this.#generation;
      this.#early = [];
      const { entries, revision } = await this.#store.list(this.#prefix);
      if (generation !== this.#generation) continue;
      const objects = entries.map((entry) => new StoredObject(this.#prefix, entry.key, entry.value, entry.modRevision));
      const recent = new RecentChanges(revision);
      const loaded = { objects: new SortedObjects(objects), recent, revision, lastChange: revision };
      this.#loaded = loaded;
      const early = this.#early;
      this.#early = [];
      for (const follower of this.#followers) follower.reset(loaded.objects.all);
      for (const event of early) this.#applyTo(loaded, event);
      return loaded;
    }
  }

  #present(loaded: Loaded, request: ListRequest, after?: string): CachedList {
    return this.#page(loaded.objects.all, this.#revisionOf(loaded), request, after, () => loaded.objects.share());
  }

  /** The state at a revision: the present one when nothing changed since, a state that was kept, or what the store remembers. */
  async #past(revision: number, request: ListRequest, after?: string): Promise<CachedList> {
    const loaded = await this.#fresh(revision, request.signal);
    if (loaded.lastChange <= revision) {
      return this.#page(loaded.objects.all, revision, request, after, () => loaded.objects.share());
    }
    const kept = this.#snapshots.get(revision) ?? (await this.#remember(revision, after));
    return this.#page(kept, revision, request, after, () => kept);
  }

  async #remember(revision: number, after: string | undefined): Promise<readonly StoredObject[]> {
    try {
      const { entries } = await this.#store.list(this.#prefix, { revision });
      return entries.map((entry) => new StoredObject(this.#prefix, entry.key, entry.value, entry.modRevision));
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      throw after === undefined ? listExpired(error) : new ContinueExpiredError(after);
    }
  }

  #page(
    sorted: readonly StoredObject[],
    revision: number,
    request: ListRequest,
    after: string | undefined,
    keep: () => readonly StoredObject[],
  ): CachedList {
    const { namespace, name, matches, limit = 0 } = request;
    const from = after === undefined ? undefined : this.#prefix + after;
    const page = pageOf(sorted, this.#prefix, revision, { namespace, name, matches, limit, after: from });
    // The next pages shall show the same state.
    if (page.continue !== undefined) this.#snapshots.keep(revision, keep(), this.#clock.now());
    return page;
  }

  #attach(request: WatchRequest, after: number, first: Batches | undefined): Watcher {
    const { namespace, name, matches, signal } = request;
    const watcher = new Watcher({
      selection: { namespace, name, matches },
      signal,
      first,
      after,
      bookmarks: request.allowBookmarks === true ? new BookmarkTimes(this.#clock.now(), request.endsAt) : undefined,
      left: (left) => this.#watchers.remove(left),
    });
    if (watcher.ended === undefined) this.#watchers.add(watcher);
    return watcher;
  }

  async #resume(loaded: Loaded, from: number, request: WatchRequest): Promise<WatchStream> {
    const present = this.#revisionOf(loaded);
    if (from >= present) return this.#attach(request, from, undefined);
    const recent = loaded.recent.after(from);
    if (recent !== undefined) return this.#attach(request, present, once(eventsOf(recent, request)));
    // From here on live; what lies between comes from the store.
    const history = this.#history(from, present, request);
    const opened = history.next();
    const watcher = this.#attach(request, present, rest(opened, history));
    try {
      await opened;
    } catch (error) {
      watcher.end('closed');
      throw error instanceof CompactedError ? watchExpired(from, error) : error;
    }
    return watcher;
  }

  async *#history(from: number, through: number, request: WatchRequest): AsyncGenerator<readonly CacheEvent[]> {
    const { namespace = '' } = request;
    const prefix = namespace === '' ? this.#prefix : `${this.#prefix}${namespace}/`;
    for await (const batch of this.#store.changes(prefix, from, through)) {
      const events = eventsOf(
        batch.map((event) => this.#changeOf(event)),
        request,
      );
      if (events.length > 0) yield events;
    }
  }

  #changeOf(event: WatchEvent): Change {
    const { key, value, revision } = event;
    const object = new StoredObject(this.#prefix, key, value, revision);
    const previous = event.previous === undefined ? undefined : new StoredObject(this.#prefix, key, event.previous, 0);
    return event.type === 'put'
      ? Change.put(this.#prefix, object, previous)
      : Change.delete(this.#prefix, object, previous);
  }

  #initial(loaded: Loaded, revision: number, selection: Selection, end: boolean): Batches {
    const sorted = loaded.objects.share();
    const [first, last] = rangeOf(sorted, this.#prefix, selection.namespace ?? '');
    return initialEvents(
      sorted.slice(first, last),
      selection,
      end ? bookmark(this.#resource, revision, true) : undefined,
    );
  }
}

async function* initialEvents(
  objects: readonly StoredObject[],
  selection: Selection,
  end: FramedEvent | undefined,
): AsyncGenerator<readonly CacheEvent[]> {
  let batch: FramedEvent[] = [];
  for (const object of objects) {
    if (!isSelected(selection, object)) continue;
    batch.push(new FramedEvent('ADDED', object));
    if (batch.length < INITIAL_BATCH) continue;
    yield batch;
    batch = [];
  }
  if (end !== undefined) batch.push(end);
  if (batch.length > 0) yield batch;
}

function eventsOf(changes: readonly Change[], selection: Selection): readonly CacheEvent[] {
  const { namespace = '', name = '', matches } = selection;
  const events: CacheEvent[] = [];
  for (const change of changes) {
    if ((namespace !== '' && change.namespace !== namespace) || (name !== '' && change.name !== name)) continue;
    const event = change.event(matches);
    if (event !== undefined) events.push(event);
  }
  return events;
}

async function* once(events: readonly CacheEvent[]): AsyncGenerator<readonly CacheEvent[]> {
  if (events.length > 0) yield events;
}

/** An iteration whose first step is already made. */
async function* rest<T>(first: Promise<IteratorResult<T>>, iterator: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    const opened = await first;
    if (opened.done === true) return;
    yield opened.value;
    yield* iterator;
  } finally {
    await iterator.return(undefined);
  }
}
