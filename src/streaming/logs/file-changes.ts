import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { SAFETY_POLL_MS } from './log-options.ts';

/** How often to look where the system gives no notice of changes (no inotify instance left, a file system without it). */
const POLL_MS = 250;

/** Tells when a file, or its name, changed. Changes that happen while nobody waits are remembered: none is missed. */
export class FileChanges {
  readonly #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    const name = basename(path);
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
        if (changed === null || changed === name) this.notify();
      });
      this.#watcher.on('error', () => undefined);
    } catch {
      // The timer below does it.
    }
    const interval = this.#watcher === undefined ? POLL_MS : SAFETY_POLL_MS;
    this.#timer = setInterval(() => this.notify(), interval).unref();
  }

  /** Wakes whoever waits, or will: something else happened that is worth a look. */
  readonly notify = (): void => {
    this.#changed = true;
    this.#wake?.();
  };

  /** Resolves at the first change since the last call returned, maybe at once. */
  async wait(): Promise<void> {
    if (!this.#changed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
    clearInterval(this.#timer);
  }
}
