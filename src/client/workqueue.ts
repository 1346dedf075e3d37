import { backoff } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';

const RETRY_BASE_MS = 10;
const RETRY_MAX_MS = 30_000;
/** From this failure in a row on, an operator should know. */
const WARN_FROM = 8;

/**
 * A set of keys to work on. A key is handled by one worker at a time; one that is added while it is handled is handled once
 * more. A handler that throws is tried again with exponential back-off; success forgets its failures. Bounded by the number of
 * distinct keys.
 */
export class WorkQueue {
  readonly #name: string;
  readonly #log: Log;
  readonly #ready = new Set<string>();
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  readonly #idle: (() => void)[] = [];
  #handler: ((key: string, signal: AbortSignal) => Promise<void>) | undefined;
  #signal: AbortSignal | undefined;
  #workers = 1;

  constructor(name: string, log: Log) {
    this.#name = name;
    this.#log = log;
  }

  add(key: string): void {
    if (this.#signal?.aborted === true) return;
    if (this.#running.has(key)) this.#again.add(key);
    else this.#ready.add(key);
    this.#pump();
  }

  /** Adds the key after `ms`; the earlier of two times holds. */
  addAfter(key: string, ms: number): void {
    if (this.#signal?.aborted === true) return;
    const at = Date.now() + ms;
    const known = this.#timers.get(key);
    if (known !== undefined && known.at <= at) return;
    clearTimeout(known?.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, ms);
    this.#timers.set(key, { timer, at });
  }

  /** Handles keys until `signal` aborts; resolves when the handlers that ran then have ended. */
  async run(
    workers: number,
    handler: (key: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    this.#workers = workers;
    this.#handler = handler;
    this.#signal = signal;
    this.#pump();
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#ready.clear();
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    if (this.#handler === undefined || this.#signal === undefined || this.#signal.aborted) return;
    for (const key of this.#ready) {
      if (this.#running.size >= this.#workers) return;
      this.#ready.delete(key);
      this.#running.add(key);
      void this.#handle(key, this.#handler, this.#signal);
    }
  }

  async #handle(
    key: string,
    handler: (key: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await handler(key, signal);
      this.#failures.delete(key);
    } catch (error) {
      if (!signal.aborted) {
        const failures = this.#failures.get(key) ?? 0;
        this.#failures.set(key, failures + 1);
        const level = failures >= WARN_FROM ? 'warn' : 'debug';
        this.#log[level](`${this.#name}: ${key} failed and is tried again`, { error: String(error), failures });
        this.addAfter(key, backoff(failures, RETRY_BASE_MS, RETRY_MAX_MS));
      }
    }
    this.#running.delete(key);
    if (this.#again.delete(key) && !signal.aborted) this.#ready.add(key);
    if (signal.aborted && this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    this.#pump();
  }
}
