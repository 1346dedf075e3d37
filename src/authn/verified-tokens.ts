import { MAX_CACHED_TOKENS } from './limits.ts';
import { TokenHash } from './token-hash.ts';

/** What was learnt from tokens whose signature held, by the tokens' hash: the least recently used goes first. */
export class VerifiedTokens<T> {
  readonly #hash = new TokenHash();
  readonly #entries = new Map<string, T>();
  readonly #limit: number;

  constructor(limit: number = MAX_CACHED_TOKENS) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(token: string): T | undefined {
    const key = this.#hash.of(token);
    const found = this.#entries.get(key);
    if (found !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, found);
    }
    return found;
  }

  set(token: string, value: T): void {
    this.#entries.set(this.#hash.of(token), value);
    if (this.#entries.size > this.#limit) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
  }
}
