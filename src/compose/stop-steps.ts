import type { Log } from '../lib/log.ts';

/** Undoes one step of a start; at once when `hurry` aborts. */
export type StopStep = (hurry: AbortSignal) => Promise<unknown>;

/** What a start has to undo, undone in the opposite order: once, and to the end, whatever fails. */
export class StopSteps {
  readonly #steps: StopStep[] = [];
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  push(...steps: readonly StopStep[]): void {
    this.#steps.push(...steps);
  }

  async stop(hurry: AbortSignal = new AbortController().signal): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      await step(hurry).catch((error: unknown) =>
        this.#log.warn('a part did not stop cleanly', { error: String(error) }),
      );
    }
  }

  /** `start`, or, when it fails, everything undone that it had done. */
  async undoing<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }
}
