import { CausewayError } from '../lib/errors.ts';

/**
 * The one storage interface. `lmdb/` is the embedded default; `etcd/` comes behind it later.
 *
 * Keys are strings such as `/registry/pods/default/web` (see `storageKey`), ordered by their UTF-8 bytes. Revisions are positive
 * integers that grow by one with each committed transaction, across all keys. Values are an object's JSON bytes, made
 * once when it is written; readers get those same bytes and must not change them.
 */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** The revision of the transaction that wrote this value: the object's `resourceVersion`. */
  readonly modRevision: number;
}

/**
 * One compare-and-set. `expected` is the `modRevision` the key must have, 0 for "must not exist", `undefined` for "any".
 * `encode` makes the value's bytes; it gets the revision that the write will have, so that the bytes can carry their own
 * `resourceVersion`. It is called at most once, synchronously, and must not throw.
 */
export interface PutOp {
  readonly type: 'put';
  readonly key: string;
  readonly expected: number | undefined;
  readonly encode: (revision: number) => Uint8Array;
}

/** `encode`, if given, makes the value that watchers get with the DELETED event (the last state, with the revision of the deletion). */
export interface DeleteOp {
  readonly type: 'delete';
  readonly key: string;
  readonly expected: number | undefined;
  readonly encode?: (revision: number) => Uint8Array;
}

export type TxnOp = PutOp | DeleteOp;

/** `entries` has one for each operation that changed something, in order; a delete of a key that is not there changes nothing. */
export type TxnResult =
  | { readonly ok: true; readonly revision: number; readonly entries: readonly Entry[] }
  /** Nothing was written. `current` is what the first failing key holds now. */
  | { readonly ok: false; readonly failedKey: string; readonly current: Entry | undefined };

export interface ListOptions {
  /** Read the state at this revision; the present one without it. Throws `CompactedError` when it is compacted, `BadRequest` when it is not reached yet. */
  readonly revision?: number;
  readonly limit?: number;
  /** Start after this key (exclusive): how a list continues. */
  readonly after?: string;
}

export interface ListResult {
  readonly entries: readonly Entry[];
  /** The revision the list shows. */
  readonly revision: number;
  readonly more: boolean;
}

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** For `delete` the last value (see `DeleteOp.encode`). */
  readonly value: Uint8Array;
  /** What the key held before, if anything: tells ADDED from MODIFIED. */
  readonly previous: Uint8Array | undefined;
  readonly revision: number;
}

/** `Expired`: the revision that was asked for is compacted away. */
export class CompactedError extends CausewayError {
  /** Watches start after this revision or later, lists show this revision or later. */
  readonly compactedRevision: number;

  constructor(revision: number, compactedRevision: number) {
    super('Expired', `revision ${revision} is compacted: the oldest is ${compactedRevision}`);
    this.compactedRevision = compactedRevision;
  }
}

export interface Store {
  /** The revision of the last durable transaction. */
  revision(): number;
  get(key: string): Promise<Entry | undefined>;
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /**
   * All or nothing. Resolves only when the write is durable (synced to disk). Concurrent transactions share a commit; each
   * sees those that were submitted before it.
   */
  txn(ops: readonly TxnOp[]): Promise<TxnResult>;
  /**
   * Every committed, durable change under `prefix` with revision > `afterRevision`, once, in order, in batches of one or more.
   * Throws `CompactedError` when `afterRevision` is compacted away. Ends when `signal` aborts. A consumer that falls behind further than
   * the store's limit gets `Expired` too: nothing is buffered without end.
   */
  watch(prefix: string, afterRevision: number, signal: AbortSignal): AsyncIterable<readonly WatchEvent[]>;
  /**
   * The changes under `prefix` with `afterRevision` < revision <= `throughRevision`, once, in order, then it ends: how a watcher catches up
   * that knows what came later. Throws `CompactedError` as `watch` does. The changes of one revision are never split over batches, here and there.
   */
  changes(prefix: string, afterRevision: number, throughRevision: number): AsyncIterable<readonly WatchEvent[]>;
  /**
   * Forgets the changes up to and including `revision`, so that a watch can start after it but not before it; the state at `revision` and
   * every later one can still be listed.
   */
  compact(revision: number): Promise<void>;
  /** Waits for pending commits, then closes. */
  close(): Promise<void>;
}
