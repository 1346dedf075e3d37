/** What is late when. */
interface Deadline {
  readonly at: number;
  readonly late: () => void;
}

const CHECK_MS = 500;

/** Deadlines of many short requests, watched by one timer: a timer for each would cost more than most requests do. */
export class Deadlines {
  readonly #ms: number;
  /** In the order in which they end, since all last equally long. */
  readonly #open = new Set<Deadline>();
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = setInterval(() => this.#check(), Math.min(CHECK_MS, ms));
    this.#timer.unref();
  }

  /** Calls `late` once if the answer was not called in time. */
  start(late: () => void): () => void {
    const deadline = { at: performance.now() + this.#ms, late };
    this.#open.add(deadline);
    return () => this.#open.delete(deadline);
  }

  #check(): void {
    const now = performance.now();
    for (const deadline of this.#open) {
      if (deadline.at > now) return;
      this.#open.delete(deadline);
      deadline.late();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
