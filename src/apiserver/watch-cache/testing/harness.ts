import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../../../api/object.ts';
import { silentLog } from '../../../lib/log.ts';
import { storageKey } from '../../../storage/keys.ts';
import { openLmdbStore } from '../../../storage/lmdb/store.ts';
import type { Store } from '../../../storage/store.ts';
import { createWatchCaches } from '../caches.ts';
import type { CachedList, CacheEvent, WatchCache, WatchCaches, WatchRequest, WatchStream } from '../watch-cache.ts';

export const PODS = { group: '', plural: 'pods', apiVersion: 'v1', kind: 'Pod' };

/** A store in a folder of its own, caches over it, and short ways to write pods. */
export interface Harness {
  readonly store: Store;
  readonly pods: WatchCache;
  now(): number;
  /** Moves the clock on. */
  advance(ms: number): void;
  readonly caches: WatchCaches;
  /** New, empty caches over the same store. */
  restart(): Promise<WatchCache>;
  /** `path` is `namespace/name`. Answers the revision. */
  put(path: string, labels?: Record<string, string>): Promise<number>;
  remove(path: string): Promise<number>;
  close(): Promise<void>;
}

export async function startHarness(wrap: (store: Store) => Store = (store) => store): Promise<Harness> {
  const root = await mkdtemp(join(tmpdir(), 'causeway-cache-'));
  let now = 1_000_000;
  const clock = { now: () => now };
  const store = await openLmdbStore({ directory: join(root, 's'), clock, log: silentLog });
  const make = (): WatchCaches => createWatchCaches({ store: wrap(store), clock, log: silentLog });
  let caches = make();
  let pods = caches.of(PODS);
  const write = async (path: string, op: 'put' | 'delete', labels: Record<string, string>): Promise<number> => {
    const [namespace = '', name = ''] = path.split('/');
    const encode = (revision: number): Uint8Array =>
      Buffer.from(JSON.stringify(podOf(namespace, name, labels, revision)));
    const key = storageKey('', 'pods', namespace, name);
    const result = await store.txn([
      op === 'put' ? { type: 'put', key, expected: undefined, encode } : { type: 'delete', key, expected: undefined },
    ]);
    if (!result.ok) throw new Error('unreachable');
    return result.revision;
  };
  return {
    store,
    now: () => now,
    advance(ms) {
      now += ms;
    },
    get pods() {
      return pods;
    },
    get caches() {
      return caches;
    },
    async restart() {
      await caches.close();
      caches = make();
      pods = caches.of(PODS);
      return pods;
    },
    put: (path, labels = {}) => write(path, 'put', labels),
    remove: (path) => write(path, 'delete', {}),
    async close() {
      await caches.close();
      await store.close();
      await rm(root, { recursive: true });
    },
  };
}

function podOf(namespace: string, name: string, labels: Record<string, string>, revision: number): KubeObject {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name, namespace, labels, resourceVersion: String(revision) },
  };
}

/** `ns/name@revision` of each item. */
export function items(list: CachedList): string[] {
  return list.items.map((item) => `${item.namespace}/${item.name}@${item.resourceVersion}`);
}

/** A frame as `ADDED ns/name@revision labels`. What the frame says of the revision is what counts. */
export function shown(event: CacheEvent): string {
  const frame = event.frame().toString();
  const { type, object } = JSON.parse(frame) as { type: string; object: KubeObject };
  const { namespace, name, resourceVersion, labels, annotations } = object.metadata;
  if (type === 'BOOKMARK') {
    const end = annotations?.['k8s.io/initial-events-end'] === 'true' ? ' end' : '';
    return `BOOKMARK ${object.apiVersion} ${object.kind} @${resourceVersion}${end}`;
  }
  const values = Object.values(labels ?? {}).join(',');
  return `${type} ${namespace}/${name}@${resourceVersion}${values === '' ? '' : ` ${values}`}`;
}

export interface Followed {
  readonly stream: WatchStream;
  readonly events: readonly CacheEvent[];
  /** Waits for that many events, and shows all. */
  take(count: number): Promise<string[]>;
  stop(): void;
  readonly ended: Promise<void>;
}

/** Reads a watch as fast as it can. */
export async function follow(cache: WatchCache, request: Omit<WatchRequest, 'signal'> = {}): Promise<Followed> {
  const stop = new AbortController();
  const stream = await cache.watch({ ...request, signal: stop.signal });
  const events: CacheEvent[] = [];
  let wake = (): void => undefined;
  const ended = (async () => {
    for await (const batch of stream) {
      events.push(...batch);
      wake();
    }
  })();
  ended.catch(() => undefined);
  return {
    stream,
    events,
    async take(count) {
      while (events.length < count) {
        const more = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await Promise.race([more, ended]);
        if (stream.ended !== undefined) break;
      }
      return events.map(shown);
    },
    stop: () => stop.abort(),
    ended,
  };
}
