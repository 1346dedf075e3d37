import { EXECS_PER_CONTAINER } from './limits.ts';

/** What exec has running in one container. */
export class ExecSessions {
  readonly #kills = new Set<() => Promise<void>>();
  #count = 0;

  get full(): boolean {
    return this.#count >= EXECS_PER_CONTAINER;
  }

  /** Takes a place. Call the answer, once, to give it back. */
  take(): () => void {
    this.#count += 1;
    return () => {
      this.#count -= 1;
    };
  }

  /** `kill` ends a process that runs. Call the answer when it has ended. */
  add(kill: () => Promise<void>): () => void {
    this.#kills.add(kill);
    return () => this.#kills.delete(kill);
  }

  /** Ends them all: their container has ended, or nobody is there any more for what they say. */
  async end(): Promise<void> {
    await Promise.allSettled([...this.#kills].map((kill) => kill()));
  }
}
