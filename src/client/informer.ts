import { backoff, sleep } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { KubeLike, ListQuery, RestClient, TypedResource } from './rest-client.ts';

const RETRY_BASE_MS = 50;
const RETRY_MAX_MS = 5_000;
/** A watch is asked to end after this time plus up to as much again, so that a half-dead one does not last. */
const WATCH_TIMEOUT_SECONDS = 300;

export interface InformerHandlers<T> {
  added?(object: T): void;
  updated?(object: T, previous: T): void;
  /** With the last state that was seen. */
  deleted?(object: T): void;
}

/**
 * A local copy of a collection, kept fresh by list and watch. Objects are shared: never change them. Handlers are called in
 * order of the changes, synchronously, and must not throw.
 */
export class Informer<T extends KubeLike> {
  readonly type: TypedResource<T>;
  readonly #client: RestClient;
  readonly #query: ListQuery;
  readonly #log: Log;
  readonly #objects = new Map<string, T>();
  readonly #handlers: InformerHandlers<T>[] = [];
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;

  constructor(client: RestClient, type: TypedResource<T>, query: ListQuery, log: Log) {
    this.#client = client;
    this.type = type;
    this.#query = query;
    this.#log = log;
  }

  /** Adds handlers; for what is known already `added` is called at once. */
  handle(handlers: InformerHandlers<T>): void {
    this.#handlers.push(handlers);
    for (const object of this.#objects.values()) handlers.added?.(object);
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(keyOf(namespace, name));
  }

  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((o) => o.metadata?.namespace === namespace);
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Resolves after the first whole list. */
  synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Runs until `signal` aborts; failures are retried with back-off. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let resourceVersion: string | undefined;
    while (!signal.aborted) {
      try {
        resourceVersion ??= await this.#relist(signal);
        failures = 0;
        resourceVersion = await this.#follow(resourceVersion, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isCode(error, 'Expired') || isCode(error, 'Gone')) {
          resourceVersion = undefined;
          continue;
        }
        this.#log.debug(`watch of ${this.type.plural} failed`, { error: String(error) });
        resourceVersion = this.#lastVersion ?? resourceVersion;
        await sleep(backoff(failures++, RETRY_BASE_MS, RETRY_MAX_MS), signal);
      }
    }
  }

  #lastVersion: string | undefined;

  async #relist(signal: AbortSignal): Promise<string> {
    const list = await this.#client.list(this.type, this.#query, signal);
    const seen = new Set<string>();
    for (const object of list.items) {
      const key = keyOfObject(object);
      seen.add(key);
      this.#put(key, object);
    }
    for (const key of [...this.#objects.keys()]) if (!seen.has(key)) this.#remove(key);
    this.#isSynced = true;
    this.#synced.resolve();
    this.#lastVersion = list.resourceVersion;
    return list.resourceVersion;
  }

  /** Follows one watch to its end; answers the version to go on from. */
  async #follow(from: string, signal: AbortSignal): Promise<string> {
    let version = from;
    const timeoutSeconds = WATCH_TIMEOUT_SECONDS + Math.floor(Math.random() * WATCH_TIMEOUT_SECONDS);
    for await (const event of this.#client.watch(
      this.type,
      { ...this.#query, resourceVersion: from, timeoutSeconds },
      signal,
    )) {
      version = event.object.metadata?.resourceVersion ?? version;
      this.#lastVersion = version;
      switch (event.type) {
        case 'ADDED':
        case 'MODIFIED':
          this.#put(keyOfObject(event.object), event.object);
          break;
        case 'DELETED':
          this.#remove(keyOfObject(event.object), event.object);
          break;
        case 'BOOKMARK':
          break;
      }
    }
    return version;
  }

  #put(key: string, object: T): void {
    const previous = this.#objects.get(key);
    if (previous?.metadata?.resourceVersion === object.metadata?.resourceVersion && previous !== undefined) return;
    this.#objects.set(key, object);
    for (const h of this.#handlers) {
      if (previous === undefined) h.added?.(object);
      else if (previous.metadata?.uid === object.metadata?.uid) h.updated?.(object, previous);
      else {
        h.deleted?.(previous);
        h.added?.(object);
      }
    }
  }

  #remove(key: string, last?: T): void {
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    for (const h of this.#handlers) h.deleted?.(last ?? previous);
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

  /** Starts every informer asked for so far, and resolves when all have their first list. */
  async start(signal: AbortSignal): Promise<void> {
    const all = [...this.#informers.values()];
    for (const informer of all) void informer.run(signal);
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => aborted.resolve(), { once: true });
    await Promise.race([Promise.all(all.map((i) => i.synced())), aborted.promise]);
  }
}
