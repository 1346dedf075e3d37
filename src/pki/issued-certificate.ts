import type { X509Certificate } from 'node:crypto';
import type { Secret } from '../lib/secret.ts';

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
