import type { Clock } from '../lib/clock.ts';
import type { ServiceAccountKeys } from '../pki/service-account-keys.ts';

export interface TokenIssuerOptions {
  readonly issuer: string;
  readonly apiAudiences: readonly string[];
  readonly keys: ServiceAccountKeys;
  readonly clock: Clock;
  /** Longest life of a token, in seconds. Default one day. */
  readonly maxExpirationSeconds?: number;
}

/** What a token is for. The caller has checked that the objects exist and belong together, and took the UIDs from them. */
export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid: string };
  readonly secret?: { readonly name: string; readonly uid: string };
}

export interface IssuedToken {
  readonly token: string;
  /** ms since the epoch */
  readonly expiresAt: number;
  readonly credentialId: string;
}

export declare class TokenIssuer {
  constructor(options: TokenIssuerOptions);
  /** `audiences` empty means the apiserver's own. Throws `Invalid` below 600 s; caps at the longest life. */
  issue(
    subject: TokenSubject,
    request: { readonly audiences: readonly string[]; readonly expirationSeconds: number },
  ): IssuedToken;
}
