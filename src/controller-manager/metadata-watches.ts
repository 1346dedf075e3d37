import type { KubeObject, ObjectMeta } from '../api/object.ts';
import { Informer } from '../client/informer.ts';
import type { RestClient, TypedResource } from '../client/rest-client.ts';
import { sleep } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import { type DiscoveredResource, discoverResources, resourceName } from './discovered-resources.ts';

/** How many watches begin at once: a cluster that comes up has more urgent work. */
const STARTING = 6;
/** How often the apiserver is asked whether it serves other kinds by now. */
const REFRESH_MS = 30_000;
const RETRY_MS = 1_000;
/** Events come and go by their time to live and are never owned. */
const IGNORED: ReadonlySet<string> = new Set(['events.', 'events.events.k8s.io']);

export interface MetadataHandlers {
  /** All kinds that the apiserver serves; called again when they change. */
  served(types: readonly TypedResource<KubeObject>[]): void;
  seen(type: TypedResource<KubeObject>, object: KubeObject): void;
  gone(object: KubeObject): void;
}

/** Watches the metadata of everything that can be deleted, of kinds that come later too. */
export class MetadataWatches {
  readonly #client: RestClient;
  readonly #log: Log;
  readonly #handlers: MetadataHandlers;
  readonly #running = new Map<
    string,
    { stop: AbortController; ended: Promise<void>; informer: Informer<KubeObject> }
  >();
  #served = '';

  constructor(client: RestClient, log: Log, handlers: MetadataHandlers) {
    this.#client = client;
    this.#log = log;
    this.#handlers = handlers;
  }

  /** Resolves when all objects of all kinds are known, or `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    while (!(await this.#refresh(signal)) && !signal.aborted) await sleep(RETRY_MS, signal);
  }

  /** Follows the kinds until `signal` aborts; resolves when every watch has ended. */
  async run(signal: AbortSignal): Promise<void> {
    while (await sleep(REFRESH_MS, signal)) await this.#refresh(signal);
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** False when the apiserver did not say what it serves. */
  async #refresh(signal: AbortSignal): Promise<boolean> {
    let all: DiscoveredResource[];
    try {
      all = await discoverResources(this.#client, signal);
    } catch (error) {
      this.#log.debug('discovery failed and is tried again', { error: String(error) });
      return false;
    }
    const readable = all.filter(({ verbs }) => verbs.includes('get')).map(({ type }) => type);
    const served = readable.map(resourceName).sort().join(' ');
    if (served === this.#served) return true;
    this.#served = served;
    const wanted = new Map(
      all
        .filter(({ verbs }) => ['list', 'watch', 'delete'].every((v) => verbs.includes(v)))
        .map(({ type }) => [resourceName(type), type] as const)
        .filter(([name]) => !IGNORED.has(name)),
    );
    this.#stopAllBut(wanted);
    this.#handlers.served(readable);
    await this.#startAll(
      [...wanted].filter(([name]) => !this.#running.has(name)),
      signal,
    );
    return true;
  }

  async #startAll(
    types: readonly (readonly [string, TypedResource<KubeObject>])[],
    signal: AbortSignal,
  ): Promise<void> {
    if (types.length === 0) return;
    const left = [...types];
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const starter = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined && !signal.aborted; next = left.shift()) {
        await Promise.race([this.#watch(next[0], next[1], signal), aborted]);
      }
    };
    await Promise.all(Array.from({ length: STARTING }, starter));
  }

  #watch(name: string, type: TypedResource<KubeObject>, signal: AbortSignal): Promise<void> {
    const informer = new Informer(this.#client, type, { metadataOnly: true }, this.#log, { keep: identityAndOwners });
    informer.handle({
      added: (object) => this.#handlers.seen(type, object),
      updated: (object) => this.#handlers.seen(type, object),
      deleted: (object) => this.#handlers.gone(object),
    });
    const stop = new AbortController();
    const ended = informer.run(AbortSignal.any([stop.signal, signal]));
    this.#running.set(name, { stop, ended, informer });
    return informer.synced();
  }

  #stopAllBut(wanted: ReadonlyMap<string, unknown>): void {
    for (const [name, { stop, informer }] of this.#running) {
      if (wanted.has(name)) continue;
      stop.abort();
      this.#running.delete(name);
      for (const object of informer.list()) this.#handlers.gone(object);
    }
  }
}

/** All that is kept of an object: annotations can be large. */
function identityAndOwners({ metadata }: KubeObject): KubeObject {
  const kept: ObjectMeta = {};
  for (const key of ['name', 'namespace', 'uid', 'resourceVersion', 'deletionTimestamp'] as const) {
    const value = metadata[key];
    if (value !== undefined) kept[key] = value;
  }
  if (metadata.ownerReferences !== undefined) kept.ownerReferences = metadata.ownerReferences;
  if (metadata.finalizers !== undefined) kept.finalizers = metadata.finalizers;
  return { metadata: kept };
}
