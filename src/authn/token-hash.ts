import { createHmac, randomBytes } from 'node:crypto';

/**
 * Names tokens by a keyed hash, so that a map of them holds no token, and how long a look-up takes tells nothing about the tokens
 * in it: an attacker cannot choose the hash.
 */
export class TokenHash {
  readonly #key = randomBytes(32);

  of(token: string): string {
    return createHmac('sha256', this.#key).update(token).digest('base64');
  }
}
