import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { invalid } from '../lib/errors.ts';
import type { ServiceAccountKeys } from '../pki/service-account-keys.ts';
import { signToken } from './json-web-token.ts';
import { type BoundReference, writeClaims } from './service-account-claims.ts';

export interface TokenIssuerOptions {
  readonly issuer: string;
  readonly apiAudiences: readonly string[];
  readonly keys: Pick<ServiceAccountKeys, 'signingKey'>;
  readonly clock: Clock;
  /** Longest life of a token, in seconds; a request for more gets this. Default one year. */
  readonly maxExpirationSeconds?: number;
}

/** What a token is for. The caller has checked that the objects exist and belong together, and took the UIDs from them. */
export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: BoundReference;
  readonly pod?: BoundReference;
  /** The pod's node, for information; or without a pod, a node that the token is bound to. */
  readonly node?: BoundReference;
  readonly secret?: BoundReference;
}

export interface TokenTerms {
  /** Empty means the apiserver's own. */
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  /** When the user of the token should have fetched a new one; goes into the token for the audit log. */
  readonly warnAfterSeconds?: number;
}

export interface IssuedToken {
  readonly token: string;
  /** ms since the epoch */
  readonly expiresAt: number;
  readonly audiences: readonly string[];
  /** As it appears in `authentication.kubernetes.io/credential-id` and the audit log: `JTI=…`. */
  readonly credentialId: string;
}

const MIN_EXPIRATION_SECONDS = 600;
const DEFAULT_MAX_EXPIRATION_SECONDS = 365 * 86_400;

/** Signs service-account tokens: what the `token` subresource of a service account answers. */
export class TokenIssuer {
  readonly #options: TokenIssuerOptions;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
  }

  /** What a token is for that was asked for without audiences. */
  get apiAudiences(): readonly string[] {
    return this.#options.apiAudiences;
  }

  /** Throws `Invalid` below 600 s and above 2^32 s. */
  issue(subject: TokenSubject, terms: TokenTerms): IssuedToken {
    checkExpiration(terms.expirationSeconds);
    const { issuer, apiAudiences, keys, clock, maxExpirationSeconds = DEFAULT_MAX_EXPIRATION_SECONDS } = this.#options;
    const issuedAt = Math.floor(clock.now() / 1000);
    const expires = issuedAt + Math.min(terms.expirationSeconds, maxExpirationSeconds);
    const audiences = terms.audiences.length === 0 ? apiAudiences : terms.audiences;
    const id = randomUUID();
    const claims = {
      audiences,
      expires,
      notBefore: issuedAt,
      id,
      namespace: subject.namespace,
      serviceAccount: subject.serviceAccount,
      pod: subject.pod,
      node: subject.node,
      secret: subject.secret,
    };
    const warnAfter = terms.warnAfterSeconds === undefined ? undefined : issuedAt + terms.warnAfterSeconds;
    const token = signToken(writeClaims(claims, issuer, issuedAt, warnAfter), keys.signingKey());
    return { token, expiresAt: expires * 1000, audiences, credentialId: `JTI=${id}` };
  }
}

function checkExpiration(seconds: number): void {
  const refuse = (why: string) =>
    invalid('authentication.k8s.io', 'TokenRequest', '', [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${seconds}: ${why}`,
        field: 'spec.expirationSeconds',
      },
    ]);
  if (!Number.isInteger(seconds)) throw refuse('must be an integer');
  if (seconds < MIN_EXPIRATION_SECONDS) throw refuse('may not specify a duration less than 10 minutes');
  if (seconds > 2 ** 32) throw refuse('may not specify a duration larger than 2^32 seconds');
}
