import type { FilterName } from './framework.ts';

/** A pod that fits nowhere waits for a change; one that was tried waits so long before the next time, twice as long each time. */
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_MAX_MS = 10_000;
/** What no change has helped is tried again after this time all the same. */
const UNSCHEDULABLE_MAX_MS = 5 * 60_000;

interface Entry {
  readonly key: string;
  readonly priority: number;
  attempts: number;
  triedAt: number;
  /** Set while it fits nowhere: which filters refused. */
  refusedBy: ReadonlySet<FilterName> | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The pods without a node: those to be tried now, by priority and then in the order in which they came, those that wait for
 * their next time, and those that wait for a change that could help them. Bounded by the number of pods.
 */
export class SchedulingQueue {
  readonly #entries = new Map<string, Entry>();
  /** To be tried now: by priority, the highest first. */
  readonly #ready = new Map<number, Set<string>>();
  #priorities: number[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  /** A new pod, or one whose change may make it fit. */
  add(key: string, priority: number): void {
    if (this.#closed) return;
    const known = this.#entries.get(key);
    if (known !== undefined && known.priority !== priority) this.delete(key);
    const entry = this.#entries.get(key) ?? {
      key,
      priority,
      attempts: 0,
      triedAt: Number.NEGATIVE_INFINITY,
      refusedBy: undefined,
      timer: undefined,
    };
    this.#entries.set(key, entry);
    this.#tryLater(entry);
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    this.#ready.get(entry.priority)?.delete(key);
    this.#entries.delete(key);
  }

  /** The next pod to try. It stays known until `delete`. */
  next(): string | undefined {
    for (const priority of this.#priorities) {
      const ready = this.#ready.get(priority);
      const key = ready?.values().next().value;
      if (ready === undefined || key === undefined) continue;
      ready.delete(key);
      const entry = this.#entries.get(key);
      if (entry !== undefined) {
        entry.attempts++;
        entry.triedAt = Date.now();
      }
      return key;
    }
    return undefined;
  }

  /** Resolves when there may be something to try, or the queue is closed. */
  async waitForNext(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** It fits nowhere: it waits for a change that is something to one of these filters. */
  unschedulable(key: string, refusedBy: ReadonlySet<FilterName>): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#closed) return;
    entry.refusedBy = refusedBy;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => this.#tryLater(entry), UNSCHEDULABLE_MAX_MS);
    entry.timer.unref();
  }

  /** It failed for another reason: it is tried again after a while. */
  retry(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && !this.#closed) this.#tryLater(entry);
  }

  /** Something changed that is something to these filters; without filters, to all. */
  changed(filters?: readonly FilterName[]): void {
    for (const entry of this.#entries.values()) {
      const { refusedBy } = entry;
      if (refusedBy === undefined) continue;
      if (filters === undefined || refusedBy.size === 0 || filters.some((f) => refusedBy.has(f))) this.#tryLater(entry);
    }
  }

  close(): void {
    this.#closed = true;
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    this.#entries.clear();
    this.#ready.clear();
    this.#wake?.();
  }

  /** At once, or when its time has come. */
  #tryLater(entry: Entry): void {
    clearTimeout(entry.timer);
    entry.refusedBy = undefined;
    const left = entry.triedAt + backoffOf(entry.attempts) - Date.now();
    if (left > 0) {
      entry.timer = setTimeout(() => this.#makeReady(entry), left);
      return;
    }
    this.#makeReady(entry);
  }

  #makeReady({ key, priority }: Entry): void {
    let ready = this.#ready.get(priority);
    if (ready === undefined) {
      ready = new Set();
      this.#ready.set(priority, ready);
      this.#priorities = [...this.#ready.keys()].sort((a, b) => b - a);
    }
    ready.add(key);
    this.#wake?.();
    this.#wake = undefined;
  }
}

function backoffOf(attempts: number): number {
  return attempts === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (attempts - 1));
}
