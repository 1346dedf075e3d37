import type { X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import type { CausewayError } from '../lib/errors.ts';
import type { CertificateSource } from './issued-certificate.ts';
import type { TrustSource } from './trust.ts';

export interface ClientTls {
  readonly ca: TrustSource;
  /** The client certificate; absent for clients that show a token only. */
  readonly identity?: CertificateSource;
  /** The DNS name or IP address that the server's certificate must be for, or a verifier that decides: one of both. */
  readonly server:
    | { readonly name: string }
    | { readonly verify: (certificate: X509Certificate) => CausewayError | undefined };
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly alpnProtocols?: readonly ('h2' | 'http/1.1')[];
}

/**
 * Options for `tls.connect`, `https.request`, `http2.connect`: call it for each dial, so that renewed certificates are used. It always
 * verifies. Sessions are never resumed (Node skips the identity check on a resumed session).
 */
export declare function clientTls(client: ClientTls): ConnectionOptions;
