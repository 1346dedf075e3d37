import { randomBytes } from 'node:crypto';
import type { KubeObject } from '../api/object.ts';
import { type Clock, rfc3339 } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { type KubeLike, type RestClient, resource } from './rest-client.ts';

const EVENTS = resource<KubeObject>('', 'v1', 'events', 'Event');
/** An event that is the same as one seen within this time is counted on that one. */
const SAME_EVENT_MS = 10 * 60_000;
/** How many recent events are remembered: stops a storm of different ones from filling memory. */
const MAX_REMEMBERED = 4096;
/** How many may wait to be written; more are dropped. */
const MAX_QUEUED = 1000;
/** Events about one object: this many at once, then one in `REFILL_MS`, as Kubernetes' spam filter. */
const BURST = 25;
const REFILL_MS = 300_000 / 25;

export interface InvolvedObject extends KubeLike {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
}

interface Remembered {
  name: string;
  namespace: string;
  count: number;
  lastAt: number;
}

/** Writes `v1 Event` objects in the background: a lost event is logged, never thrown. */
export class EventRecorder {
  readonly #client: RestClient;
  readonly #component: string;
  readonly #host: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #seen = new Map<string, Remembered>();
  readonly #tokens = new Map<string, { tokens: number; at: number }>();
  #queued = 0;
  #chain: Promise<void> = Promise.resolve();

  constructor(client: RestClient, component: string, host: string, clock: Clock, log: Log) {
    this.#client = client;
    this.#component = component;
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
  }

  /** `fieldPath` such as `spec.containers{web}`. */
  record(about: InvolvedObject, type: 'Normal' | 'Warning', reason: string, message: string, fieldPath?: string): void {
    const uid = about.metadata?.uid ?? '';
    if (this.#queued >= MAX_QUEUED || !this.#allowed(uid)) return;
    this.#queued++;
    this.#chain = this.#chain
      .then(() => this.#write(about, type, reason, message, fieldPath))
      .catch((error: unknown) => this.#log.debug('an event was not written', { reason, error: String(error) }))
      .finally(() => {
        this.#queued--;
      });
  }

  /** Resolves when what was recorded so far is written or lost. */
  flush(): Promise<void> {
    return this.#chain;
  }

  async #write(
    about: InvolvedObject,
    type: string,
    reason: string,
    message: string,
    fieldPath?: string,
  ): Promise<void> {
    const now = this.#clock.now();
    const meta = about.metadata ?? {};
    const id = JSON.stringify([meta.uid, fieldPath, type, reason, message]);
    const known = this.#seen.get(id);
    if (known !== undefined && now - known.lastAt < SAME_EVENT_MS) {
      known.count++;
      known.lastAt = now;
      const where = { namespace: known.namespace, name: known.name };
      try {
        await this.#client.patch(EVENTS, where, 'merge', { count: known.count, lastTimestamp: rfc3339(now) });
        return;
      } catch (error) {
        if (!isCode(error, 'NotFound')) throw error;
      }
    }
    const namespace = meta.namespace ?? 'default';
    const name = `${meta.name ?? 'unknown'}.${now.toString(16)}${randomBytes(3).toString('hex')}`;
    await this.#client.create(EVENTS, {
      metadata: { name, namespace },
      involvedObject: {
        apiVersion: about.apiVersion,
        kind: about.kind,
        namespace: meta.namespace,
        name: meta.name,
        uid: meta.uid,
        resourceVersion: meta.resourceVersion,
        ...(fieldPath === undefined ? {} : { fieldPath }),
      },
      reason,
      message: message.slice(0, 1024),
      type,
      source: { component: this.#component, ...(this.#host === '' ? {} : { host: this.#host }) },
      reportingComponent: this.#component,
      reportingInstance: this.#host,
      firstTimestamp: rfc3339(now),
      lastTimestamp: rfc3339(now),
      count: 1,
    });
    if (this.#seen.size >= MAX_REMEMBERED) this.#seen.delete(this.#seen.keys().next().value ?? '');
    this.#seen.set(id, { name, namespace, count: 1, lastAt: now });
  }

  #allowed(uid: string): boolean {
    const now = this.#clock.now();
    const bucket = this.#tokens.get(uid) ?? { tokens: BURST, at: now };
    bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL_MS);
    bucket.at = now;
    if (this.#tokens.size >= MAX_REMEMBERED) this.#tokens.delete(this.#tokens.keys().next().value ?? '');
    this.#tokens.set(uid, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}
