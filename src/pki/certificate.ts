import { createHash, createPublicKey, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import {
  bitString,
  boolean,
  contextTag,
  element,
  expectElement,
  octetString,
  readElement,
  readElements,
  sequence,
  TAG,
  time,
  unsignedInteger,
  utf8String,
} from './der.ts';
import { ipAddressBytes } from './ip-address-bytes.ts';
import { OID, oid } from './oids.ts';

export type RandomBytes = (size: number) => Buffer;

export interface Subject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly uid?: string;
}

export interface AlternativeNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
}

/** One row a use: a certificate has exactly one, so a server's can never be shown as a client's. */
export type CertificateUse = 'ca' | 'server' | 'client';

export interface CertificateContent {
  readonly use: CertificateUse;
  readonly subject: Subject;
  readonly names?: AlternativeNames;
  readonly publicKey: KeyObject;
  /** For RSA keys only: others cannot encipher. */
  readonly keyEncipherment?: boolean;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Absent for a self-signed CA. */
  readonly issuer?: X509Certificate;
  readonly issuerKey: KeyObject;
  readonly random?: RandomBytes;
}

/** Bits of KeyUsage (RFC 5280 §4.2.1.3), as the byte and the unused bits of its BIT STRING. */
const KEY_USAGE = {
  digitalSignature: bitString(Buffer.from([0x80]), 7),
  signatureAndEncipherment: bitString(Buffer.from([0xa0]), 5),
  certAndCrlSign: bitString(Buffer.from([0x06]), 1),
} as const;

const USES: Record<CertificateUse, { keyUsage: Buffer; extendedKeyUsage: string | undefined }> = {
  ca: { keyUsage: KEY_USAGE.certAndCrlSign, extendedKeyUsage: undefined },
  server: { keyUsage: KEY_USAGE.digitalSignature, extendedKeyUsage: OID.serverAuth },
  client: { keyUsage: KEY_USAGE.digitalSignature, extendedKeyUsage: OID.clientAuth },
};

/** 159 random bits: above the 64 that CAs must use, within the 20 bytes that RFC 5280 §4.1.2.2 allows. */
const SERIAL_BYTES = 20;

/** Makes and signs an X.509 v3 certificate with ECDSA P-256 and SHA-256. */
export function makeCertificate(content: CertificateContent): X509Certificate {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const subject = encodeSubject(content.subject);
  const tbs = sequence(
    element(contextTag(0, true), unsignedInteger(Buffer.from([2]))), // v3
    unsignedInteger(serialNumber(content.random ?? randomBytes)),
    algorithm,
    content.issuer === undefined ? subject : subjectBytes(content.issuer),
    sequence(time(content.notBefore), time(content.notAfter)),
    subject,
    content.publicKey.export({ type: 'spki', format: 'der' }),
    element(contextTag(3, true), sequence(...extensions(content))),
  );
  return new X509Certificate(sequence(tbs, algorithm, bitString(sign('sha256', tbs, content.issuerKey))));
}

function serialNumber(random: RandomBytes): Buffer {
  const bytes = random(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40; // positive, and never shorter
  return bytes;
}

export function encodeSubject(subject: Subject): Buffer {
  const attribute = (type: string, value: string) => element(TAG.set, sequence(oid(type), utf8String(value)));
  return sequence(
    ...subject.organizations.map((organization) => attribute(OID.organization, organization)),
    attribute(OID.commonName, subject.commonName),
    ...(subject.uid === undefined ? [] : [attribute(OID.kubernetesUid, subject.uid)]),
  );
}

function extensions(content: CertificateContent): Buffer[] {
  const use = USES[content.use];
  const list = [
    extension(OID.basicConstraints, true, content.use === 'ca' ? caConstraints(content) : sequence()),
    extension(OID.keyUsage, true, content.keyEncipherment === true ? KEY_USAGE.signatureAndEncipherment : use.keyUsage),
  ];
  if (use.extendedKeyUsage !== undefined) {
    list.push(extension(OID.extendedKeyUsage, false, sequence(oid(use.extendedKeyUsage))));
  }
  list.push(extension(OID.subjectKeyIdentifier, false, octetString(keyIdentifier(content.publicKey))));
  const issuerKey = content.issuer?.publicKey ?? createPublicKey(content.issuerKey);
  list.push(
    extension(OID.authorityKeyIdentifier, false, sequence(element(contextTag(0, false), keyIdentifier(issuerKey)))),
  );
  const altName = content.names === undefined ? undefined : subjectAltName(content.names);
  if (altName !== undefined) list.push(altName);
  return list;
}

/** The extension; undefined when there is no name. */
export function subjectAltName(names: AlternativeNames): Buffer | undefined {
  const encoded = generalNames(names);
  return encoded.length === 0 ? undefined : extension(OID.subjectAltName, false, sequence(...encoded));
}

/** CA. Below a root there may be one other CA: the one that follows it, while the cluster changes from one to the other. */
function caConstraints({ issuer }: CertificateContent): Buffer {
  return sequence(boolean(true), unsignedInteger(Buffer.from([issuer === undefined ? 1 : 0])));
}

function extension(type: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value));
}

function generalNames(names: AlternativeNames): Buffer[] {
  return [
    ...names.dnsNames.map((name) => element(contextTag(2, false), Buffer.from(name, 'latin1'))),
    ...names.uris.map((uri) => element(contextTag(6, false), Buffer.from(uri, 'latin1'))),
    ...names.ipAddresses.map((address) => element(contextTag(7, false), ipAddressBytes(address))),
  ];
}

/** RFC 7093 §2, method 1: the first 160 bits of the SHA-256 of the public key's bits. */
function keyIdentifier(publicKey: KeyObject): Buffer {
  const spki = readElement(publicKey.export({ type: 'spki', format: 'der' }));
  const bits = expectElement(readElements(spki.content)[1], TAG.bitString, 'public key');
  return createHash('sha256').update(bits.content.subarray(1)).digest().subarray(0, 20);
}

/** The subject of a certificate as it is encoded: an issuer's must be copied byte for byte. */
export function subjectBytes(certificate: X509Certificate): Buffer {
  const outer = readElement(certificate.raw);
  const tbs = expectElement(readElements(outer.content)[0], TAG.sequence, 'tbsCertificate');
  const fields = readElements(tbs.content);
  const versioned = fields[0]?.tag === contextTag(0, true) ? 1 : 0;
  return expectElement(fields[versioned + 4], TAG.sequence, 'subject').bytes;
}
