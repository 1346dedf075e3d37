import { backoff, sleep } from '../../lib/deadline.ts';
import { isCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { CriClient } from './cri-client.ts';
import { containerdEvents, cri } from './cri-messages.ts';
import { LOOK_AGAIN_MS, RECONNECT_MS, RELIST_TOLD_MS, RELIST_UNTOLD_MS } from './limits.ts';

/** Of containerd: what changes a state that CRI shows. */
const FILTERS = ['topic~="^/tasks/(exit|oom|start|delete)"'];

/**
 * Knows when to look at the runtime: when it tells of a change (CRI's own events, or containerd's where CRI has none), and every few
 * seconds all the same. Nothing that it tells is believed; it is a reason to look.
 */
export class RuntimeNews {
  readonly #client: CriClient;
  readonly #look: () => Promise<unknown>;
  readonly #log: Log;
  readonly #over = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();
  #told = false;

  constructor(client: CriClient, look: () => Promise<unknown>, log: Log) {
    this.#client = client;
    this.#look = look;
    this.#log = log;
  }

  start(): void {
    void this.#followAll();
    void this.#lookOften();
  }

  close(): void {
    this.#over.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #lookOften(): Promise<void> {
    let reachable = true;
    while (await sleep(this.#told ? RELIST_TOLD_MS : RELIST_UNTOLD_MS, this.#over.signal)) {
      try {
        await this.#look();
        if (!reachable) this.#log.info('the container runtime answers again');
        reachable = true;
      } catch (error) {
        if (reachable && !this.#over.signal.aborted)
          this.#log.warn('the container runtime does not answer; pods run on, and it is asked again', {
            error: String(error),
          });
        reachable = false;
      }
    }
  }

  async #followAll(): Promise<void> {
    const { signal } = this.#over;
    let failures = 0;
    const opened = (): void => {
      failures = 0;
      this.#told = true;
      this.#soon();
    };
    while (!signal.aborted) {
      const source = await this.#follow(opened).catch((error: unknown) => error);
      this.#told = false;
      // It tells of nothing: it is looked at often.
      if (isCode(source, 'MethodNotAllowed')) return;
      await sleep(backoff(failures++, RECONNECT_MS.first, RECONNECT_MS.longest), signal);
    }
  }

  async #follow(opened: () => void): Promise<void> {
    const { signal } = this.#over;
    try {
      for await (const _ of this.#client.follow(cri.containerEvents, {}, signal, opened)) this.#soon();
    } catch (error) {
      if (!isCode(error, 'MethodNotAllowed')) throw error;
      for await (const _ of this.#client.follow(containerdEvents, { filters: FILTERS }, signal, opened)) this.#soon();
    }
  }

  /** Looks now, and a few times shortly after: what happened may show a moment later. */
  #soon(): void {
    if (this.#timers.size > 0) {
      for (const timer of this.#timers) clearTimeout(timer);
      this.#timers.clear();
    }
    for (const ms of LOOK_AGAIN_MS) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void this.#look().catch(() => undefined);
      }, ms);
      this.#timers.add(timer);
    }
  }
}
