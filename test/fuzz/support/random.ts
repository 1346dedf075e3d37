/** The same choices for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ answer < 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined && items.length === 0) throw new Error('nothing to pick from');
    return item as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** The seed of this run: another one each time in a soak, the same otherwise, and any by CAUSEWAY_SEED. */
export function seedOfRun(): number {
  const given = process.env['CAUSEWAY_SEED'];
  if (given !== undefined) return Number(given);
  return process.env['CAUSEWAY_SOAK'] === undefined ? 20_260_101 : Date.now() >>> 0;
}

/** Milliseconds that a fuzz test may take. */
export const FUZZ_MS = process.env['CAUSEWAY_SOAK'] === undefined ? 6_000 : 300_000;
