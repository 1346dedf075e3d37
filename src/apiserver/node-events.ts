import { createHash } from 'node:crypto';
import type { KubeObject } from '../api/object.ts';
import { type Clock, rfc3339 } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { storageKey } from '../storage/keys.ts';
import type { Store } from '../storage/store.ts';
import type { RouteNode } from './egress-selector.ts';
import { encoder } from './handlers/endpoint.ts';

/** Ms in which the same failure of the same node makes one event: a client that tries again and again must not fill the store. */
const QUIET_MS = 60_000;
/** Failures that are remembered. Bounds memory, whatever nodes there are. */
const MAX_REMEMBERED = 1_000;

const reasons = { unreachable: 'KubeletUnreachable', unverified: 'KubeletVerificationFailed' } as const;

/** Events on a Node whose kubelet the apiserver could not reach or verify. */
export class NodeEvents {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #uuid: () => string;
  readonly #last = new Map<string, { at: number; count: number; firstAt: number }>();

  constructor(options: { store: Store; clock: Clock; log: Log; uuid: () => string }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#uuid = options.uuid;
  }

  /** Writes an event in the background; a failure to do so is logged and nothing more. */
  record(node: RouteNode, kind: keyof typeof reasons, message: string): void {
    const now = this.#clock.now();
    const id = createHash('sha256')
      .update(JSON.stringify([node.name, node.uid, kind, message]))
      .digest('hex')
      .slice(0, 16);
    const last = this.#last.get(id);
    if (last !== undefined && now - last.at < QUIET_MS) return;
    if (this.#last.size >= MAX_REMEMBERED) this.#last.clear();
    const entry = { at: now, count: (last?.count ?? 0) + 1, firstAt: last?.firstAt ?? now };
    this.#last.set(id, entry);
    this.#write(node, kind, message, id, entry).catch((error: unknown) => {
      this.#log.warn('an event could not be written', { node: node.name, error: String(error) });
    });
  }

  async #write(
    node: RouteNode,
    kind: keyof typeof reasons,
    message: string,
    id: string,
    entry: { at: number; count: number; firstAt: number },
  ): Promise<void> {
    const name = `${node.name}.${id}`;
    const event: KubeObject = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name,
        namespace: 'default',
        uid: this.#uuid(),
        creationTimestamp: rfc3339(entry.firstAt),
      },
      involvedObject: { kind: 'Node', name: node.name, uid: node.uid, apiVersion: 'v1' },
      reason: reasons[kind],
      message: message.slice(0, 1024),
      source: { component: 'kube-apiserver' },
      firstTimestamp: rfc3339(entry.firstAt),
      lastTimestamp: rfc3339(entry.at),
      count: entry.count,
      type: 'Warning',
      eventTime: null,
      reportingComponent: 'kube-apiserver',
      reportingInstance: '',
    };
    const key = storageKey('', 'events', 'default', name);
    await this.#store.txn([{ type: 'put', key, expected: undefined, encode: encoder(event) }]);
  }
}
