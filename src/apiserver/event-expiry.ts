import type { KubeObject } from '../api/object.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { MAX_TXN_OPS } from '../storage/limits.ts';
import type { Store } from '../storage/store.ts';
import { encoder } from './handlers/endpoint.ts';
import type { WatchCaches } from './watch-cache/watch-cache.ts';

/** Kubernetes' `--event-ttl`. */
const EVENT_TTL_MS = 3_600_000;
const SWEEP_MS = 60_000;

/** Deletes events an hour after they were last seen, so that they do not fill the disk. The answer stops it. */
export function expireEvents(options: {
  readonly store: Store;
  readonly caches: WatchCaches;
  readonly clock: Clock;
  readonly log: Log;
}): () => void {
  const timer = setInterval(() => {
    sweepEvents(options).catch((error: unknown) => options.log.warn('events did not expire', { error: String(error) }));
  }, SWEEP_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** One pass; answers how many were deleted. One that was counted again meanwhile stays. */
export async function sweepEvents(options: {
  readonly store: Store;
  readonly caches: WatchCaches;
  readonly clock: Clock;
}): Promise<number> {
  const { store, caches, clock } = options;
  const cache = caches.of({ group: '', apiVersion: 'v1', kind: 'Event', plural: 'events' });
  const { items } = await cache.list({});
  const old = items.filter((item) => lastSeen(item.object()) + EVENT_TTL_MS < clock.now());
  let deleted = 0;
  for (let i = 0; i < old.length; i += MAX_TXN_OPS) {
    const results = await Promise.all(
      old.slice(i, i + MAX_TXN_OPS).map((item) => {
        const { key, resourceVersion: expected } = item;
        return store.txn([{ type: 'delete', key, expected, encode: encoder(item.copy()) }]);
      }),
    );
    deleted += results.filter((r) => r.ok).length;
  }
  return deleted;
}

function lastSeen(event: KubeObject): number {
  const series = event['series'] as { lastObservedTime?: string } | undefined;
  const times = [
    series?.lastObservedTime,
    event['lastTimestamp'],
    event['eventTime'],
    event.metadata.creationTimestamp,
  ];
  const known = times.find((t) => typeof t === 'string' && t !== '');
  return Date.parse(String(known)) || 0;
}
