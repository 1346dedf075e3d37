/** Kubernetes' CrashLoopBackOff: 10 s, doubled up to 5 min, forgotten after 10 min without a restart. */
const INITIAL_MS = 10_000;
const MAX_MS = 300_000;
const RESET_MS = 600_000;

/** When each container of a pod may start again. */
export class RestartBackoff {
  readonly #entries = new Map<string, { delay: number; lastStart: number }>();

  /** How many milliseconds to wait still for a container that finished at `finishedAt`; 0 means now. */
  remaining(container: string, finishedAt: number, now: number): number {
    const entry = this.#entries.get(container);
    if (entry === undefined) return 0;
    return Math.max(0, finishedAt + entry.delay - now);
  }

  /** The delay that holds now, in milliseconds. */
  delay(container: string): number {
    return this.#entries.get(container)?.delay ?? 0;
  }

  /** To be called when the container is started once more. */
  restarted(container: string, now: number): void {
    const entry = this.#entries.get(container);
    if (entry === undefined || now - entry.lastStart > Math.max(RESET_MS, 2 * entry.delay)) {
      this.#entries.set(container, { delay: INITIAL_MS, lastStart: now });
    } else {
      entry.delay = Math.min(MAX_MS, entry.delay * 2);
      entry.lastStart = now;
    }
  }
}
