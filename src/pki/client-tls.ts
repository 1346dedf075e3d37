import { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type SecureContext } from 'node:tls';
import { CausewayError } from '../lib/errors.ts';
import type { CertificateSource, IssuedCertificate } from './issued-certificate.ts';
import { CIPHERS, KEY_EXCHANGE_GROUPS, SECURE_OPTIONS, type TlsVersion } from './tls-policy.ts';
import type { TrustSource } from './trust.ts';

/** undefined when the certificate is the expected server's, otherwise why not. The chain is checked besides. */
export type ServerVerifier = (certificate: X509Certificate) => CausewayError | undefined;

export interface ClientTls {
  readonly ca: TrustSource;
  /** The client certificate; absent for clients that show a token only. */
  readonly identity?: CertificateSource;
  /** Whom the server's certificate must be for: a DNS name or IP address, or whatever `verify` decides. */
  readonly server: { readonly name: string } | { readonly verify: ServerVerifier };
  /** Default `TLSv1.3`. */
  readonly minVersion?: TlsVersion;
  readonly alpnProtocols?: readonly ('h2' | 'http/1.1')[];
}

/**
 * Options for `tls.connect`, `https.request`, `http2.connect`: call it for each dial, so that renewed certificates are used. It always
 * verifies.
 */
export function clientTls(client: ClientTls): ConnectionOptions {
  const servername = 'name' in client.server && isDnsName(client.server.name) ? { servername: client.server.name } : {};
  return {
    secureContext: contextFor(client),
    rejectUnauthorized,
    ...servername,
    checkServerIdentity: (_host, peer) => {
      if ('name' in client.server) return checkServerIdentity(client.server.name, peer);
      return client.server.verify(new X509Certificate(peer.raw));
    },
    ...(client.alpnProtocols === undefined ? {} : { ALPNProtocols: [...client.alpnProtocols] }),
  };
}

/** Said aloud, because without it the environment decides. */
const rejectUnauthorized = true;

interface CachedContext {
  readonly ca: readonly string[];
  readonly identity: IssuedCertificate | undefined;
  readonly minVersion: TlsVersion;
  readonly context: SecureContext;
}

/** One context for each pair of trust and identity, until one of them changes: making it takes longer than a dial. */
const contexts = new WeakMap<TrustSource, WeakMap<object, CachedContext>>();
const NOBODY = {};

function contextFor(client: ClientTls): SecureContext {
  const ca = client.ca.current();
  const identity = client.identity?.current();
  const minVersion = client.minVersion ?? 'TLSv1.3';
  const byIdentity = contexts.get(client.ca) ?? new WeakMap<object, CachedContext>();
  contexts.set(client.ca, byIdentity);
  const cached = byIdentity.get(client.identity ?? NOBODY);
  if (cached?.ca === ca && cached.identity === identity && cached.minVersion === minVersion) return cached.context;
  // Node takes an empty list for "nobody", but a missing one for "every public CA".
  if (ca.length === 0) throw new CausewayError('InternalError', 'a TLS client needs a CA to verify its server with');
  const context = createSecureContext({
    ca: [...ca],
    ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.privateKeyPem.reveal() }),
    minVersion,
    ecdhCurve: KEY_EXCHANGE_GROUPS,
    ciphers: CIPHERS,
    secureOptions: SECURE_OPTIONS,
  });
  byIdentity.set(client.identity ?? NOBODY, { ca, identity, minVersion, context });
  return context;
}

function isDnsName(name: string): boolean {
  return /[a-z]/i.test(name) && !name.includes(':');
}
