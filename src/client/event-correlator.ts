/** Events that differ only in their message: from the eleventh within this time on they are written as one. */
const SIMILAR_MS = 10 * 60_000;
const MAX_SIMILAR = 10;
/** Events about one object from one source: this many at once, then one in `REFILL_MS`. */
const BURST = 25;
const REFILL_MS = 5 * 60_000;
/** How many objects and groups are remembered: stops a storm of different ones from filling memory. */
const MAX_REMEMBERED = 4096;

export interface Correlated {
  /** Events with the same identity are counted on one object. */
  readonly identity: string;
  readonly message: string;
}

/** Who tells of which object. */
export interface EventKey {
  readonly source: string;
  readonly object: string;
  readonly fieldPath: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** Decides which events are one and which are too many, by the rules of Kubernetes' event correlator. */
export class EventCorrelator {
  readonly #similar = new Map<string, { messages: Set<string>; at: number }>();
  readonly #tokens = new Map<string, { tokens: number; at: number }>();

  /** undefined: too many events about this object, this one is dropped. */
  correlate(key: EventKey, now: number): Correlated | undefined {
    const { source, object, type, reason } = key;
    const group = JSON.stringify([source, object, type, reason]);
    const combined = this.#isOneOfMany(group, key.message, now);
    if (!this.#allowed(JSON.stringify([source, object]), now)) return undefined;
    return combined
      ? { identity: group, message: `(combined from similar events): ${key.message}` }
      : { identity: JSON.stringify([group, key.fieldPath, key.message]), message: key.message };
  }

  #isOneOfMany(group: string, message: string, now: number): boolean {
    const known = this.#similar.get(group);
    const messages = known === undefined || now - known.at > SIMILAR_MS ? new Set<string>() : known.messages;
    if (messages.size <= MAX_SIMILAR) messages.add(message);
    remember(this.#similar, group, { messages, at: now });
    return messages.size > MAX_SIMILAR;
  }

  #allowed(id: string, now: number): boolean {
    const known = this.#tokens.get(id) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, known.tokens + (now - known.at) / REFILL_MS);
    remember(this.#tokens, id, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    return tokens >= 1;
  }
}

/** Sets, and forgets what has not been used for longest when there is too much. */
export function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value ?? '');
}
