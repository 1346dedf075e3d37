import type { Clock } from '../lib/clock.ts';
import { sleep } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { Store, TxnOp } from '../storage/store.ts';
import { encoder } from './handlers/endpoint.ts';
import type { WatchCache } from './watch-cache/watch-cache.ts';

/** Ms that an event is kept after it was seen last, as Kubernetes' `--event-ttl`. */
const TTL_MS = 60 * 60_000;
const CHECK_MS = 5 * 60_000;
/** Deletions in one transaction. */
const BATCH = 500;

export interface EventTtlOptions {
  readonly events: WatchCache;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** Events older than an hour go: they are news, and without an end they would fill the disk. */
export async function expireEvents(options: EventTtlOptions, signal: AbortSignal): Promise<void> {
  while (await sleep(CHECK_MS, signal)) {
    try {
      await removeOld(options);
    } catch (error) {
      options.log.warn('old events could not be removed', { error: String(error) });
    }
  }
}

export async function removeOld({ events, store, clock }: EventTtlOptions): Promise<number> {
  const before = clock.now() - TTL_MS;
  const { items } = await events.list({});
  const ops: TxnOp[] = [];
  for (const item of items) {
    if (lastSeen(item.object()) < before) {
      ops.push({ type: 'delete', key: item.key, expected: item.resourceVersion, encode: encoder(item.copy()) });
    }
  }
  let removed = 0;
  for (let i = 0; i < ops.length; i += BATCH) {
    const batch = ops.slice(i, i + BATCH);
    const result = await store.txn(batch);
    if (result.ok) removed += batch.length;
  }
  return removed;
}

function lastSeen(object: Readonly<Record<string, unknown>> & { metadata: { creationTimestamp?: string } }): number {
  const series = object['series'] as { lastObservedTime?: string } | undefined;
  const times = [
    series?.lastObservedTime,
    object['lastTimestamp'],
    object['eventTime'],
    object.metadata.creationTimestamp,
  ];
  for (const time of times) {
    const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN;
    if (!Number.isNaN(ms)) return ms;
  }
  return 0;
}
