import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  bitString,
  boolean,
  contextTag,
  element,
  octetString,
  sequence,
  TAG,
  unsignedInteger,
  utf8String,
} from '../der.ts';
import { ipAddressBytes } from '../ip-address-bytes.ts';
import { OID, oid } from '../oids.ts';

/** For tests: certificate requests, honest ones and others. */

export type TestKey = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

export function ecKey(namedCurve = 'P-256'): TestKey {
  return generateKeyPairSync('ec', { namedCurve });
}

export function rsaKey(modulusLength: number, publicExponent = 65_537): TestKey {
  return generateKeyPairSync('rsa', { modulusLength, publicExponent });
}

export interface TestRequest {
  readonly commonName?: string;
  readonly organizations?: readonly string[];
  /** Further attributes of the subject: `[dotted OID, text]`. */
  readonly more?: readonly (readonly [string, string])[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly uris?: readonly string[];
  readonly emails?: readonly string[];
  /** General names as DER. */
  readonly otherNames?: readonly Buffer[];
  readonly wantsAuthority?: boolean;
  readonly key?: TestKey;
  /** Signs in the place of the key's owner. */
  readonly signer?: KeyObject;
  readonly signatureOid?: string;
  /** Added after the attributes' usual content. */
  readonly moreAttributes?: readonly Buffer[];
}

/** As DER. */
export function requestDer(request: TestRequest): Buffer {
  const { key = ecKey(), commonName, organizations = [], more = [] } = request;
  const attribute = (type: string, value: string): Buffer => element(TAG.set, sequence(oid(type), utf8String(value)));
  const subject = sequence(
    ...organizations.map((organization) => attribute(OID.organization, organization)),
    ...(commonName === undefined ? [] : [attribute(OID.commonName, commonName)]),
    ...more.map(([type, value]) => attribute(type, value)),
  );
  const info = sequence(
    unsignedInteger(Buffer.from([0])),
    subject,
    key.publicKey.export({ type: 'spki', format: 'der' }),
    element(contextTag(0, true), ...attributes(request)),
  );
  const signer = request.signer ?? key.privateKey;
  const [type, hash] = signatureOf(signer);
  const algorithm = sequence(oid(request.signatureOid ?? type));
  return sequence(info, algorithm, bitString(sign(hash, info, signer)));
}

/** As PEM. */
export function requestPem(request: TestRequest): string {
  return pemOf(requestDer(request));
}

export function pemOf(der: Buffer, type = 'CERTIFICATE REQUEST'): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${type}-----\n${lines.join('\n')}\n-----END ${type}-----\n`;
}

export function extensionRequest(...extensions: readonly Buffer[]): Buffer {
  return sequence(oid(OID.extensionRequest), element(TAG.set, sequence(...extensions)));
}

function attributes(request: TestRequest): Buffer[] {
  const text = (kind: number, values: readonly string[] = []): Buffer[] =>
    values.map((value) => element(contextTag(kind, false), Buffer.from(value, 'latin1')));
  const names = [
    ...text(1, request.emails),
    ...text(2, request.dnsNames),
    ...text(6, request.uris),
    ...(request.ipAddresses ?? []).map((address) => element(contextTag(7, false), ipAddressBytes(address))),
    ...(request.otherNames ?? []),
  ];
  const extensions = [
    ...(names.length === 0 ? [] : [sequence(oid(OID.subjectAltName), octetString(sequence(...names)))]),
    ...(request.wantsAuthority === true
      ? [sequence(oid(OID.basicConstraints), boolean(true), octetString(sequence(boolean(true))))]
      : []),
  ];
  return [...(extensions.length === 0 ? [] : [extensionRequest(...extensions)]), ...(request.moreAttributes ?? [])];
}

function signatureOf(key: KeyObject): readonly [string, 'sha256' | null] {
  if (key.asymmetricKeyType === 'ed25519') return [OID.ed25519, null];
  return [key.asymmetricKeyType === 'rsa' ? OID.rsaWithSha256 : OID.ecdsaWithSha256, 'sha256'];
}
