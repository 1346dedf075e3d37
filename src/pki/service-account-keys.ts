import type { KeyObject } from 'node:crypto';

export interface SigningKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
}

/** The keys of service-account tokens (ES256): one signs, all verify. */
export interface ServiceAccountKeys {
  signingKey(): SigningKey;
  /** undefined for a key id that is not ours. */
  publicKey(keyId: string): KeyObject | undefined;
  /** What `/openid/v1/jwks` answers: `{keys: [...]}`. */
  jwks(): { readonly keys: readonly Readonly<Record<string, string>>[] };
}
