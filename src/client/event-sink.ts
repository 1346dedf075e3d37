import { randomBytes } from 'node:crypto';
import type { KubeObject } from '../api/object.ts';
import { type Clock, rfc3339 } from '../lib/clock.ts';
import { type ErrorCode, isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { remember } from './event-correlator.ts';
import { type RestClient, resource } from './rest-client.ts';

const EVENTS = resource<KubeObject>('', 'v1', 'events', 'Event');
/** An event that is the same as one seen within this time is counted on that one. */
const SAME_EVENT_MS = 10 * 60_000;
/** How many may wait to be written; more are dropped. */
const MAX_QUEUED = 1000;
const WRITERS = 8;
/** Ms before each further attempt when the apiserver cannot be reached. */
const RETRY_MS = [250, 1000, 4000];
const TRANSIENT: readonly ErrorCode[] = ['ServiceUnavailable', 'TooManyRequests', 'Timeout', 'ServerTimeout'];
const MAX_NAME_LENGTH = 253;

/** The parts of an event that stay as they are while it is counted. */
export interface EventContent extends Readonly<Record<string, unknown>> {
  readonly involvedObject: Readonly<Record<string, unknown>> & {
    readonly name?: string | undefined;
    readonly namespace?: string | undefined;
  };
}

interface Counted {
  readonly content: EventContent;
  readonly namespace: string;
  readonly firstAt: number;
  name: string | undefined;
  message: string;
  count: number;
  lastAt: number;
  /** What is to be written is newer than what was. */
  dirty: boolean;
  busy: boolean;
}

/** Writes `v1 Event` objects in the background. Events that come while their like is being written are written as one count. */
export class EventSink {
  readonly #client: RestClient;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<string, Counted>();
  readonly #queue: Counted[] = [];
  readonly #idle: (() => void)[] = [];
  #writing = 0;

  constructor(client: RestClient, clock: Clock, log: Log) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /** `identity` says which events are one. */
  offer(identity: string, message: string, content: EventContent): void {
    const now = this.#clock.now();
    let event = this.#known.get(identity);
    if (event === undefined || now - event.lastAt >= SAME_EVENT_MS) {
      const namespace = content.involvedObject.namespace || 'default';
      event = {
        content,
        namespace,
        firstAt: now,
        name: undefined,
        message,
        count: 0,
        lastAt: now,
        dirty: false,
        busy: false,
      };
    }
    if (!event.dirty && !event.busy && this.#queue.length >= MAX_QUEUED) return;
    event.count++;
    event.lastAt = now;
    event.message = message;
    remember(this.#known, identity, event);
    if (event.dirty) return;
    event.dirty = true;
    if (event.busy) return;
    this.#queue.push(event);
    this.#pump();
  }

  /** Resolves when what was offered so far is written or lost. */
  async flush(): Promise<void> {
    if (this.#writing > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    while (this.#writing < WRITERS) {
      const event = this.#queue.shift();
      if (event === undefined) break;
      this.#writing++;
      void this.#writeAll(event);
    }
    if (this.#writing === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #writeAll(event: Counted): Promise<void> {
    event.busy = true;
    while (event.dirty) {
      event.dirty = false;
      try {
        await this.#retrying(() => this.#write(event));
      } catch (error) {
        this.#log.debug('an event was not written', { message: event.message, error: String(error) });
      }
    }
    event.busy = false;
    this.#writing--;
    this.#pump();
  }

  async #retrying(write: () => Promise<void>): Promise<void> {
    for (const ms of RETRY_MS) {
      try {
        return await write();
      } catch (error) {
        if (!TRANSIENT.some((code) => isCode(error, code))) throw error;
        await new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
      }
    }
    return write();
  }

  async #write(event: Counted): Promise<void> {
    const { namespace, message, count } = event;
    const lastTimestamp = rfc3339(event.lastAt);
    if (event.name !== undefined) {
      try {
        const patch = { message, count, lastTimestamp };
        await this.#client.patch(EVENTS, { namespace, name: event.name }, 'strategic', patch);
        return;
      } catch (error) {
        // Events live for an hour: then it is told anew.
        if (!isCode(error, 'NotFound')) throw error;
      }
    }
    const name = eventName(event.content.involvedObject.name ?? '', this.#clock.now());
    await this.#client.create(EVENTS, {
      metadata: { name, namespace },
      ...event.content,
      message,
      count,
      firstTimestamp: rfc3339(event.firstAt),
      lastTimestamp,
    });
    event.name = name;
  }
}

/** The object's name and when it was: names of RBAC objects and the longest ones are none that an event may have. */
function eventName(about: string, now: number): string {
  const suffix = `${now.toString(16)}${randomBytes(3).toString('hex')}`;
  const name = `${about}.${suffix}`;
  return /^[a-z0-9][a-z0-9.-]*$/.test(name) && name.length <= MAX_NAME_LENGTH ? name : `event.${suffix}`;
}
