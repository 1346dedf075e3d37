import type { X509Certificate } from 'node:crypto';
import type { UserInfo } from '../api/user-info.ts';
import type { CredentialAnchor } from './credential-anchor.ts';

/** What an authenticator may look at. The certificate is what the TLS layer proved, never what a header says. */
export interface Credentials {
  /** The value of `Authorization` when it is `Bearer …`, without the word. */
  readonly bearerToken?: string;
  /** The client certificate of the connection; absent when none was shown. */
  readonly peerCertificate?: X509Certificate;
  /**
   * What TLS found of it: 'none' no certificate shown; 'verified' chains to one of the listener's CAs, in time, possession proved;
   * 'invalid' anything else. An invalid certificate is never an identity, and is refused with 401.
   */
  readonly certificateState: 'none' | 'verified' | 'invalid';
  readonly remoteAddress: string;
  /** The request's URL path without its query: only `anonymous.ts` looks at it. */
  readonly path?: string;
}

export interface AuthenticationResult {
  readonly user: UserInfo;
  /** Which authenticator said so, for the audit log and the catalogue of paths: `x509`, `token-file`, `service-account`, `bootstrap-token`, `anonymous`. */
  readonly method: string;
  /** When the credential ends, in ms since the epoch; streams and watches end with it. */
  readonly expiresAt?: number;
  /** Objects that it hangs on: streams and watches end with them as well. */
  readonly anchors?: readonly CredentialAnchor[];
}

/**
 * Answers a user, or undefined for "not my kind of credential", or throws `Unauthorized` for "mine, and wrong".
 * The union (`union.ts`) tries each; a credential that was shown and that nobody accepted is `Unauthorized`, never anonymous.
 */
export interface Authenticator {
  readonly name: string;
  authenticate(credentials: Credentials): Promise<AuthenticationResult | undefined>;
}
