import type { RuntimeEvent } from './runtime.ts';

/** Events that one slow reader of `events()` may be behind; changes of the same container count once. */
export const QUEUED_EVENTS = 10_000;

interface Reader {
  /** By container or sandbox: who lags sees only that something changed, which is all that an event says. */
  readonly waiting: Map<string, RuntimeEvent>;
  wake: () => void;
}

/** Hands changes to every reader; none can make another wait, or the runtime. */
export class EventQueue {
  readonly #readers = new Set<Reader>();
  #closed = false;

  push(event: RuntimeEvent): void {
    const key = `${event.sandboxId} ${event.containerId ?? ''}`;
    for (const reader of this.#readers) {
      if (reader.waiting.size >= QUEUED_EVENTS && !reader.waiting.has(key)) {
        const oldest = reader.waiting.keys().next().value;
        if (oldest !== undefined) reader.waiting.delete(oldest);
      }
      reader.waiting.set(key, event);
      reader.wake();
    }
  }

  /** Subscribes at once, not at the first `next()`: nothing is missed in between. */
  subscribe(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    const reader: Reader = { waiting: new Map(), wake: () => undefined };
    this.#readers.add(reader);
    signal.addEventListener('abort', () => reader.wake(), { once: true });
    const ended = (): boolean => signal.aborted || this.#closed;
    const leave = (): void => {
      this.#readers.delete(reader);
    };
    if (ended()) leave();
    return (async function* () {
      try {
        while (!ended()) {
          const first = reader.waiting.entries().next().value;
          if (first !== undefined) {
            reader.waiting.delete(first[0]);
            yield first[1];
            continue;
          }
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
        }
      } finally {
        leave();
      }
    })();
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.wake();
    this.#readers.clear();
  }
}
