import type { Container } from '../api/generated/types.ts';
import { containerHash } from './pod-config.ts';

/** Kubernetes' CrashLoopBackOff (client-go `flowcontrol.Backoff`): 10 s, doubled up to 5 min, forgotten after a run of 10 min. */
const INITIAL_MS = 10_000;
const MAX_MS = 300_000;
const FORGOTTEN_MS = 2 * MAX_MS;

interface Entry {
  readonly delay: number;
  readonly startedAt: number;
}

/** A changed container is another one: it starts without the failures of the one before. */
type BackedOff = Pick<Container, 'name' | 'image'>;

/** When each container of a pod may start again. */
export class RestartBackoff {
  readonly #entries = new Map<string, Entry>();

  /** How many milliseconds to wait still for a container that finished at `finishedAt`; 0 means now. */
  remaining(container: BackedOff, finishedAt: number, now: number): number {
    const entry = this.#of(container, finishedAt);
    return entry === undefined ? 0 : Math.max(0, finishedAt + entry.delay - now);
  }

  /** The delay that holds now, in milliseconds. */
  delay(container: BackedOff): number {
    return this.#entries.get(keyOf(container))?.delay ?? 0;
  }

  /** To be called before a container that finished at `finishedAt` is started once more, whatever comes of that. */
  restarting(container: BackedOff, finishedAt: number, now: number): void {
    const entry = this.#of(container, finishedAt);
    const delay = entry === undefined ? INITIAL_MS : Math.min(MAX_MS, entry.delay * 2);
    this.#entries.set(keyOf(container), { delay, startedAt: now });
  }

  #of(container: BackedOff, finishedAt: number): Entry | undefined {
    const entry = this.#entries.get(keyOf(container));
    return entry === undefined || finishedAt - entry.startedAt > FORGOTTEN_MS ? undefined : entry;
  }
}

function keyOf(container: BackedOff): string {
  return JSON.stringify([container.name, containerHash(container)]);
}
