import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { EventCorrelator } from './event-correlator.ts';
import { EventSink } from './event-sink.ts';
import type { KubeLike, RestClient } from './rest-client.ts';

/** Longer messages are cut, as Kubernetes does. */
const MAX_MESSAGE_LENGTH = 1024;

export interface InvolvedObject extends KubeLike {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
}

interface Shared {
  readonly correlator: EventCorrelator;
  readonly sink: EventSink;
}

/** Tells of objects by `v1 Event` objects, in the background: a lost event is logged, never thrown. */
export class EventRecorder {
  readonly #client: RestClient;
  readonly #component: string;
  readonly #host: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #shared: Shared;

  /** `host` is the node's name, or empty for what is bound to none. */
  constructor(client: RestClient, component: string, host: string, clock: Clock, log: Log, shared?: Shared) {
    this.#client = client;
    this.#component = component;
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
    this.#shared = shared ?? { correlator: new EventCorrelator(), sink: new EventSink(client, clock, log) };
  }

  /** The same recorder under another name: `deployment-controller`. */
  as(component: string): EventRecorder {
    return new EventRecorder(this.#client, component, this.#host, this.#clock, this.#log, this.#shared);
  }

  /** `fieldPath` such as `spec.containers{web}`. */
  record(about: InvolvedObject, type: 'Normal' | 'Warning', reason: string, message: string, fieldPath?: string): void {
    const { name, namespace, uid, resourceVersion } = about.metadata ?? {};
    const { apiVersion, kind } = about;
    const source = { component: this.#component, ...(this.#host === '' ? {} : { host: this.#host }) };
    const key = {
      source: JSON.stringify(source),
      object: JSON.stringify([apiVersion, kind, namespace, name, uid]),
      fieldPath: fieldPath ?? '',
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE_LENGTH),
    };
    const correlated = this.#shared.correlator.correlate(key, this.#clock.now());
    if (correlated === undefined) return;
    this.#shared.sink.offer(correlated.identity, correlated.message, {
      involvedObject: {
        apiVersion,
        kind,
        namespace,
        name,
        uid,
        resourceVersion,
        ...(fieldPath === undefined ? {} : { fieldPath }),
      },
      reason,
      type,
      source,
      reportingComponent: this.#component,
      reportingInstance: this.#host,
    });
  }

  /** Resolves when what was recorded so far is written or lost. */
  flush(): Promise<void> {
    return this.#shared.sink.flush();
  }
}
