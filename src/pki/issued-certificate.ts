import { createPrivateKey, X509Certificate } from 'node:crypto';
import { CausewayError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';

/** A certificate together with its private key, as `tls` wants them. */
export interface IssuedCertificate {
  /** The leaf, then its intermediates if any, as PEM. */
  readonly certificatePem: string;
  /** PKCS #8 PEM. */
  readonly privateKeyPem: Secret;
  /** The leaf. */
  readonly certificate: X509Certificate;
  /** Validity, in ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Where a listener or a client takes its certificate from: always the present one, and a notice when it changes. */
export interface CertificateSource {
  current(): IssuedCertificate;
  /** The answer ends the subscription. */
  onChange(listener: () => void): () => void;
}

export function fixedCertificate(issued: IssuedCertificate): CertificateSource {
  return { current: () => issued, onChange: () => () => undefined };
}

/** What a serving certificate shall say. */
export interface ServingRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris?: readonly string[];
  readonly days?: number;
}

/** What a client certificate shall say: Kubernetes reads CN as the user, each O as a group, and the OID of `uid`. */
export interface ClientRequest {
  readonly user: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly days?: number;
}

/** A certificate that was issued elsewhere, with the key that it is for. Throws `Invalid` when it cannot be read, or is for another key. */
export function withPrivateKey(certificatePem: string, privateKeyPem: Secret): IssuedCertificate {
  let certificate: X509Certificate;
  let isForKey: boolean;
  try {
    certificate = new X509Certificate(certificatePem);
    isForKey = certificate.checkPrivateKey(createPrivateKey(privateKeyPem.reveal()));
  } catch {
    throw new CausewayError('Invalid', 'the certificate or its key cannot be read'); // no cause: it might quote the key
  }
  if (!isForKey) throw new CausewayError('Invalid', 'the certificate is for another key');
  return {
    certificatePem,
    privateKeyPem,
    certificate,
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}

/** Certificate and key in one file, as Kubernetes keeps a kubelet's (`kubelet-client-current.pem`). */
export function toCombinedPem({ certificatePem, privateKeyPem }: IssuedCertificate): Secret {
  return new Secret(`${certificatePem.trimEnd()}
${privateKeyPem.reveal().trimEnd()}
`);
}

/** Throws `Invalid`, as `withPrivateKey` does. */
export function fromCombinedPem(pem: Secret): IssuedCertificate {
  const blocks = pem.reveal().match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----\n?/g) ?? [];
  const isKey = (block: string): boolean => block.startsWith('-----BEGIN PRIVATE KEY-----');
  const certificates = blocks.filter((block) => block.startsWith('-----BEGIN CERTIFICATE-----'));
  return withPrivateKey(certificates.join(''), new Secret(blocks.find(isKey) ?? ''));
}
