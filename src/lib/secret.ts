import { timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

/** Holds a secret value so that it cannot reach a log, a template string or JSON by accident. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself; the name makes each use easy to find. */
  reveal(): string {
    return this.#value;
  }

  /** Compares in a time that does not depend on where the two differ. */
  equals(other: string): boolean {
    const a = Buffer.from(this.#value);
    const b = Buffer.from(other);
    return a.length === b.length && timingSafeEqual(a, b);
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return '[redacted]';
  }
}
