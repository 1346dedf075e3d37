import { objectIdentifier } from './der.ts';

/** Object identifiers, dotted. */
export const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2', // RFC 5758 §3.2
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  ecdsaWithSha512: '1.2.840.10045.4.3.4',
  rsaWithSha256: '1.2.840.113549.1.1.11', // RFC 8017 §A.2.4
  rsaWithSha384: '1.2.840.113549.1.1.12',
  rsaWithSha512: '1.2.840.113549.1.1.13',
  ed25519: '1.3.101.112', // RFC 8410 §3
  /** The extensions that a certificate request asks for (RFC 2985 §5.4.2). */
  extensionRequest: '1.2.840.113549.1.9.14',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  /** Kubernetes' user UID in a client certificate's subject. */
  kubernetesUid: '1.3.6.1.4.1.57683.2',
  subjectKeyIdentifier: '2.5.29.14', // RFC 5280 §4.2.1
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  anyExtendedKeyUsage: '2.5.29.37.0',
} as const;

const encoded = new Map<string, Buffer>();

/** The DER of an identifier, made once. */
export function oid(dotted: string): Buffer {
  let bytes = encoded.get(dotted);
  if (bytes === undefined) {
    bytes = objectIdentifier(dotted);
    encoded.set(dotted, bytes);
  }
  return bytes;
}
