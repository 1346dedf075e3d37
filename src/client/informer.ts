import { backoff, sleep } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { ObjectCache } from './object-cache.ts';
import {
  endsInitialEvents,
  type KubeLike,
  type ListQuery,
  type RestClient,
  type TypedResource,
} from './rest-client.ts';

const RETRY_BASE_MS = 50;
const RETRY_MAX_MS = 5_000;
/** A watch is asked to end after this time plus up to as much again, so that a half-dead one does not last. */
const WATCH_TIMEOUT_SECONDS = 300;

export interface InformerHandlers<T> {
  added?(object: T): void;
  updated?(object: T, previous: T): void;
  /** With the last state that was seen. */
  deleted?(object: T): void;
  /** The watch was refused: whose it is may not see this, or not any more. It is tried again. */
  refused?(): void;
}

export interface InformerOptions<T> {
  /** What is kept of each object: at least its name, namespace, uid and resourceVersion. Saves memory. */
  readonly keep?: (object: T) => T;
}

/**
 * A local copy of a collection, kept fresh by a watch that begins with the present state (KEP-3157). Objects are shared: never
 * change them. Handlers are called in order of the changes, synchronously; one that throws is logged and the others go on.
 */
export class Informer<T extends KubeLike> {
  readonly type: TypedResource<T>;
  readonly #client: RestClient;
  readonly #query: ListQuery;
  readonly #log: Log;
  readonly #keep: (object: T) => T;
  readonly #objects = new ObjectCache<T>();
  readonly #handlers: InformerHandlers<T>[] = [];
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;
  #version: string | undefined;

  constructor(
    client: RestClient,
    type: TypedResource<T>,
    query: ListQuery,
    log: Log,
    options: InformerOptions<T> = {},
  ) {
    this.#client = client;
    this.type = type;
    this.#query = query;
    this.#log = log;
    this.#keep = options.keep ?? ((object) => object);
  }

  /** Adds handlers; for what is known already `added` is called at once. */
  handle(handlers: InformerHandlers<T>): void {
    this.#handlers.push(handlers);
    for (const object of this.#objects.all()) this.#tell(() => handlers.added?.(object));
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(namespace, name);
  }

  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[] {
    return namespace === undefined ? this.#objects.all() : this.#objects.inNamespace(namespace);
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Resolves when the present state has been received for the first time. */
  synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Whether every change up to this version, of this resource, has been handled. */
  hasSeen(resourceVersion: string | undefined): boolean {
    return this.#version !== undefined && Number(this.#version) >= Number(resourceVersion ?? 0);
  }

  /** Runs until `signal` aborts; failures are retried with back-off. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let told = '';
    while (!signal.aborted) {
      const before = this.#version;
      try {
        if (this.#version === undefined) await this.#receiveAll(signal);
        else await this.#follow(this.#version, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isCode(error, 'Expired') || isCode(error, 'Gone')) this.#version = undefined;
        const refused = isCode(error, 'Forbidden') || isCode(error, 'Unauthorized');
        // What is refused stays refused, often for long: said once.
        const level = refused && told !== String(error) ? 'warn' : 'debug';
        this.#log[level](`watch of ${this.type.plural} failed`, { error: String(error) });
        if (refused) told = String(error);
        if (refused) for (const handlers of this.#handlers) this.#tell(() => handlers.refused?.());
      }
      // A watch that brought something ended for reasons of its own; one that brought nothing must not be asked for in a loop.
      failures = this.#version !== undefined && this.#version !== before ? 0 : failures + 1;
      if (failures === 0) told = '';
      if (failures > 0) await sleep(backoff(failures - 1, RETRY_BASE_MS, RETRY_MAX_MS), signal);
    }
  }

  /** The present state, then its changes, over one watch. */
  async #receiveAll(signal: AbortSignal): Promise<void> {
    let state: T[] | undefined = [];
    for await (const event of this.#watch({ sendInitialEvents: true }, signal)) {
      if (state === undefined) this.#apply(event);
      else if (endsInitialEvents(event)) {
        this.#replace(state);
        state = undefined;
        this.#version = event.object.metadata?.resourceVersion;
        this.#isSynced = true;
        this.#synced.resolve();
      } else if (event.type === 'ADDED') state.push(this.#keep(event.object));
    }
  }

  async #follow(from: string, signal: AbortSignal): Promise<void> {
    for await (const event of this.#watch({ resourceVersion: from }, signal)) this.#apply(event);
  }

  #watch(from: { resourceVersion: string } | { sendInitialEvents: true }, signal: AbortSignal) {
    const timeoutSeconds = WATCH_TIMEOUT_SECONDS + Math.floor(Math.random() * WATCH_TIMEOUT_SECONDS);
    return this.#client.watch(this.type, { ...this.#query, ...from, timeoutSeconds }, signal);
  }

  #apply(event: { readonly type: string; readonly object: T }): void {
    const { type, object } = event;
    if (type === 'ADDED' || type === 'MODIFIED') this.#put(this.#keep(object));
    else if (type === 'DELETED') this.#remove(this.#keep(object));
    this.#version = object.metadata?.resourceVersion ?? this.#version;
  }

  #replace(state: readonly T[]): void {
    const present = new Set(state.map(keyOfObject));
    for (const object of this.#objects.all()) if (!present.has(keyOfObject(object))) this.#remove(object);
    for (const object of state) this.#put(object);
  }

  #put(object: T): void {
    const { namespace, name = '', uid, resourceVersion } = object.metadata ?? {};
    const previous = this.#objects.get(namespace ?? '', name);
    if (previous !== undefined && previous.metadata?.resourceVersion === resourceVersion) return;
    if (previous !== undefined && previous.metadata?.uid !== uid) {
      this.#remove(previous);
      this.#put(object);
      return;
    }
    this.#objects.set(namespace ?? '', name, object);
    for (const handlers of this.#handlers) {
      this.#tell(() => (previous === undefined ? handlers.added?.(object) : handlers.updated?.(object, previous)));
    }
  }

  #remove(last: T): void {
    const { namespace, name = '' } = last.metadata ?? {};
    if (!this.#objects.delete(namespace ?? '', name)) return;
    for (const handlers of this.#handlers) this.#tell(() => handlers.deleted?.(last));
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#log.error(`a handler of ${this.type.plural} failed`, { error: String(error) });
    }
  }
}

/** `namespace/name`, or `name` for what has no namespace: the key of work queues too. */
export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

export function keyOfObject(object: KubeLike): string {
  return keyOf(object.metadata?.namespace, object.metadata?.name ?? '');
}

/** The inverse of `keyOf`. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** One informer a resource and selector, shared by all who ask. */
export class InformerFactory {
  readonly #client: RestClient;
  readonly #log: Log;
  readonly #informers = new Map<string, Informer<KubeLike>>();

  constructor(client: RestClient, log: Log) {
    this.#client = client;
    this.#log = log;
  }

  for<T extends KubeLike>(type: TypedResource<T>, query: ListQuery = {}): Informer<T> {
    const id = JSON.stringify([type.group, type.version, type.plural, query]);
    let informer = this.#informers.get(id);
    if (informer === undefined) {
      informer = new Informer<KubeLike>(this.#client, type as TypedResource<KubeLike>, query, this.#log);
      this.#informers.set(id, informer);
    }
    return informer as unknown as Informer<T>;
  }

  /** Starts every informer asked for so far, and resolves when all are synced or `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const all = [...this.#informers.values()];
    for (const informer of all) void informer.run(signal);
    const aborted = Promise.withResolvers<void>();
    const abort = (): void => aborted.resolve();
    signal.addEventListener('abort', abort, { once: true });
    await Promise.race([Promise.all(all.map((i) => i.synced())), aborted.promise]);
    signal.removeEventListener('abort', abort);
  }
}
