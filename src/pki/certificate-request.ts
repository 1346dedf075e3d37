import type { KeyObject } from 'node:crypto';
import { ProtocolError } from '../lib/errors.ts';
import type { Subject } from './certificate.ts';
import { contextTag, type DerElement, expectElement, readElement, readElements, TAG } from './der.ts';
import { findExtension } from './extensions.ts';
import { ipAddressText } from './ip-address-bytes.ts';
import { MAX_REQUEST_BYTES } from './limits.ts';
import { OID, oid } from './oids.ts';
import { checkProof, readPublicKey } from './request-key.ts';
import { readName } from './subject.ts';

/** What a PKCS#10 request asks for. Whoever made it has the private key of `publicKey`. */
export interface CertificateRequest {
  readonly subject: Subject;
  /** The subject has attributes besides common name, organizations and UID. */
  readonly hasMoreAttributes: boolean;
  readonly publicKey: KeyObject;
  readonly names: RequestedNames;
  /** It asks for the certificate of an authority. */
  readonly wantsAuthority: boolean;
}

/** Subject alternative names by kind; addresses are in their canonical text. */
export interface RequestedNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
  readonly emails: readonly string[];
  /** There are names of other kinds: directory names, registered ids. */
  readonly others: boolean;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;
const TYPE = 'CERTIFICATE REQUEST';

/**
 * Reads a PKCS#10 request (RFC 2986 §4) from its PEM and checks the proof that its maker has the private key. Throws `ProtocolError` for
 * what cannot be read, can be read in two ways, or is not proven. Extensions other than names are not granted by a request: what a
 * certificate is for is said by who issues it.
 *
 *     CertificationRequest { CertificationRequestInfo, signatureAlgorithm, signature BIT STRING }
 *     CertificationRequestInfo { version INTEGER, subject Name, SubjectPublicKeyInfo, attributes [0] SET OF Attribute }
 */
export function parseCertificateRequest(pem: string): CertificateRequest {
  return parseCertificateRequestDer(derOf(pem));
}

/** The same of the request's DER alone. */
export function parseCertificateRequestDer(der: Buffer): CertificateRequest {
  const outer = expectElement(readElement(der), TAG.sequence, 'certificate request');
  if (outer.bytes.length !== der.length) throw new ProtocolError('the certificate request has trailing data');
  const [info, algorithm, signature, ...rest] = readElements(outer.content);
  expectElement(info, TAG.sequence, 'certificate request info');
  expectElement(algorithm, TAG.sequence, 'signature algorithm');
  expectElement(signature, TAG.bitString, 'signature');
  if (rest.length > 0) throw new ProtocolError('the certificate request has trailing data');
  const [version, subject, spki, attributes] = readElements((info as DerElement).content);
  if (!expectElement(version, TAG.integer, 'version').content.equals(Buffer.from([0]))) {
    throw new ProtocolError('the certificate request is of an unknown version');
  }
  const publicKey = readPublicKey(expectElement(spki, TAG.sequence, 'public key'));
  checkProof(publicKey, algorithm as DerElement, (info as DerElement).bytes, signature as DerElement);
  const name = readName(expectElement(subject, TAG.sequence, 'subject'));
  const extensions = requestedExtensions(attributes);
  return {
    subject: name.subject,
    hasMoreAttributes: name.hasMore,
    publicKey,
    names: namesOf(extensions && findExtension(extensions, OID.subjectAltName)),
    wantsAuthority: isAuthority(extensions && findExtension(extensions, OID.basicConstraints)),
  };
}

function derOf(pem: string): Buffer {
  if (pem.length > MAX_REQUEST_BYTES) throw new ProtocolError(`the request is longer than ${MAX_REQUEST_BYTES} bytes`);
  const [block, more] = [...pem.matchAll(BLOCK)];
  if (block?.[1] !== TYPE) throw new ProtocolError(`PEM block type must be ${TYPE}`);
  if (more !== undefined) throw new ProtocolError('there must be one PEM block only');
  const [, , body = ''] = block;
  if (!BASE64.test(body)) throw new ProtocolError('the PEM block is not base64');
  return Buffer.from(body, 'base64');
}

/** Of all attributes (a challenge password, for instance) only the one with extensions means anything here. */
function requestedExtensions(attributes: DerElement | undefined): DerElement | undefined {
  if (attributes === undefined) return undefined;
  expectElement(attributes, contextTag(0, true), 'attributes');
  const found = readElements(attributes.content)
    .map((attribute) => readElements(expectElement(attribute, TAG.sequence, 'attribute').content))
    .filter(([type]) => type !== undefined && oid(OID.extensionRequest).equals(type.bytes));
  if (found.length === 0) return undefined;
  const values = found.flatMap(([, set]) => readElements(expectElement(set, TAG.set, 'attribute values').content));
  const [extensions] = values;
  if (extensions === undefined || values.length > 1) throw new ProtocolError('extensions must be asked for once');
  return extensions;
}

function namesOf(value: Buffer | undefined): RequestedNames {
  const all = value === undefined ? [] : readElements(oneSequence(value, 'subjectAltName'));
  const texts = (kind: number): string[] =>
    all.filter(({ tag }) => tag === contextTag(kind, false)).map(({ content }) => asciiText(content));
  const addresses = all.filter(({ tag }) => tag === contextTag(7, false));
  const names = { emails: texts(1), dnsNames: texts(2), uris: texts(6), ipAddresses: addresses.map(addressOf) };
  const known = Object.values(names).reduce((count, list) => count + list.length, 0);
  return { ...names, others: known < all.length };
}

function addressOf({ content }: DerElement): string {
  if (content.length !== 4 && content.length !== 16) throw new ProtocolError('an IP address name has 4 or 16 bytes');
  return ipAddressText(content);
}

function asciiText(content: Buffer): string {
  const text = content.toString('latin1');
  if (!/^[\x21-\x7e]+$/.test(text)) throw new ProtocolError('a subjectAltName has characters that names cannot have');
  return text;
}

/** BasicConstraints { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL } */
function isAuthority(value: Buffer | undefined): boolean {
  if (value === undefined) return false;
  const [ca] = readElements(oneSequence(value, 'basicConstraints'));
  return ca?.tag === TAG.boolean && ca.content[0] !== 0;
}

function oneSequence(value: Buffer, what: string): Buffer {
  const outer = expectElement(readElement(value), TAG.sequence, what);
  if (outer.bytes.length !== value.length) throw new ProtocolError(`${what} has trailing data`);
  return outer.content;
}
