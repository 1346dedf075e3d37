import type { Clock } from '../lib/clock.ts';
import type { ServiceAccountKeys } from '../pki/service-account-keys.ts';
import type { Authenticator } from './authenticator.ts';
import type { BoundObjectReader } from './bound-object-reader.ts';
import type { TokenReviewer } from './token-reviewer.ts';

export interface ServiceAccountOptions {
  readonly issuer: string;
  /** Audiences that this apiserver answers to; usually the issuer. */
  readonly apiAudiences: readonly string[];
  readonly keys: ServiceAccountKeys;
  readonly objects: BoundObjectReader;
  readonly clock: Clock;
}

export declare function serviceAccountAuthenticator(options: ServiceAccountOptions): Authenticator & TokenReviewer;
