import type { KubeObject } from '../../api/object.ts';

/** One object as the cache holds it. All readers share it: change neither `bytes` nor what `object()` returns. */
export interface CachedObject {
  /** The storage key: `/registry/pods/default/web`. */
  readonly key: string;
  /** Empty for a cluster-scoped object. */
  readonly namespace: string;
  readonly name: string;
  /** The object's JSON as it was stored, with its `resourceVersion`: send it as it is. */
  readonly bytes: Buffer;
  /** The revision that wrote it: `expected` of a store transaction. */
  readonly resourceVersion: number;
  /** The parsed object, parsed on first use and kept. Shared: never change it. */
  object(): KubeObject;
  /** A parsed copy of one's own. */
  copy(): KubeObject;
}

/** What a list or watch is narrowed to. */
export interface Selection {
  /** Absent or empty: all namespaces. */
  readonly namespace?: string | undefined;
  /** A `metadata.name=…` field selector: kept apart because it is indexed. */
  readonly name?: string | undefined;
  /** The label and field selectors, if there are any. Called often, with states before and after a change. */
  readonly matches?: ((object: CachedObject) => boolean) | undefined;
}

/** Query parameters come as they are written in the URL, or `undefined`; they are validated here, as Kubernetes does (422 or 400). */
export interface ListRequest extends Selection {
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  /** True when the URL has it at all, which is wrong for a list. */
  readonly sendInitialEvents?: boolean | undefined;
  /** 0 or absent: no limit. */
  readonly limit?: number | undefined;
  /** The token that the previous page gave. */
  readonly continue?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CachedList {
  readonly items: readonly CachedObject[];
  /** `metadata.resourceVersion` of the list. */
  readonly resourceVersion: string;
  /** `metadata.continue`, when there is more. */
  readonly continue: string | undefined;
  /** `metadata.remainingItemCount`: only when there is more and no selector is given, as in Kubernetes. */
  readonly remainingItemCount: number | undefined;
}

export interface GetRequest {
  /** Absent: the newest state. `0`: any. A number: not older than that. */
  readonly resourceVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchRequest extends Selection {
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  readonly sendInitialEvents?: boolean | undefined;
  readonly allowBookmarks?: boolean | undefined;
  /** When the watch will end, in ms since the epoch: its client gets a bookmark shortly before, to go on from. */
  readonly endsAt?: number | undefined;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

export type CacheEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

/** Turns an event into bytes on the wire: a Table, metadata only, protobuf. Make one for each representation and keep it: results are kept by its identity. */
export interface FrameFormat {
  encode(type: CacheEventType, object: CachedObject): Buffer;
}

/** One event, shared by all watchers that it goes to. */
export interface CacheEvent {
  readonly type: CacheEventType;
  /** For DELETED the last state (for a watcher with selectors: the last that matched) with the `resourceVersion` of the deletion. */
  readonly object: CachedObject;
  readonly resourceVersion: number;
  /** For BOOKMARK: it ends the initial events (`k8s.io/initial-events-end`). */
  readonly initialEventsEnd: boolean;
  /** The frame to send, made once and shared: `{"type":"ADDED","object":…}` and a newline, or what `format` makes of it. */
  frame(format?: FrameFormat): Buffer;
}

/**
 * Batches of one or more events in order. Ends when the request's signal aborts, when the cache closes, or when the
 * consumer falls behind further than the limit: then the client's next watch goes on from its last `resourceVersion`.
 */
export interface WatchStream extends AsyncIterable<readonly CacheEvent[]> {
  /** Why it ended; `undefined` while it runs. */
  readonly ended: 'aborted' | 'too-slow' | 'closed' | undefined;
}

/** The objects of one resource in memory, and the way to them: the only reader of storage on the hot path. */
export interface WatchCache {
  /** Sees every write that was acknowledged before the call. */
  get(namespace: string, name: string, request?: GetRequest): Promise<CachedObject | undefined>;
  /** Ordered by key. Errors: 400 for a bad token, 410 `Expired` (see `ContinueExpiredError`), 422, 504 for a revision of the future. */
  list(request: ListRequest): Promise<CachedList>;
  /**
   * Rejects before anything is sent: 400 and 422 for options that are wrong; 410 `Expired` ("too old resource version: 3 (9)") and 504, which
   * Kubernetes sends as an ERROR event after status 200.
   */
  watch(request: WatchRequest): Promise<WatchStream>;
  /** Keeps a copy of another shape in step. Resolves when it was given the whole state; it is fed until the cache closes. */
  follow(follower: CacheFollower): Promise<void>;
}

/** Is called synchronously, and before any watcher hears of a change: who acts on what it watched finds the copy up to date. */
export interface CacheFollower {
  /** The whole state: at first, and again after a gap in the feed. */
  reset(objects: readonly CachedObject[]): void;
  /** `object` is the new state, or the last one when it was deleted. */
  changed(object: CachedObject, deleted: boolean): void;
}

/** What a cache is for. */
export interface CachedResource {
  readonly group: string;
  /** Of the stored representation, for bookmarks: `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  /** Lower-case plural. */
  readonly plural: string;
}

/** The caches of all resources, fed by one watch of the store. `createWatchCaches` in `caches.ts` makes them. */
export interface WatchCaches {
  /** The cache of a resource; it loads on first use. The versions of a resource share one. */
  of(resource: CachedResource): WatchCache;
  /** Ends all watches and the feed. */
  close(): Promise<void>;
}
