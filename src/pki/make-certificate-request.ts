import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { Secret } from '../lib/secret.ts';
import { type AlternativeNames, encodeSubject, type Subject, subjectAltName } from './certificate.ts';
import { bitString, contextTag, element, sequence, TAG, unsignedInteger } from './der.ts';
import { OID, oid } from './oids.ts';

const ECDSA = { algorithm: sequence(oid(OID.ecdsaWithSha256)), hash: 'sha256' };
/** RFC 4055 §5: the parameters are NULL. */
const RSA = { algorithm: sequence(oid(OID.rsaWithSha256), element(TAG.null)), hash: 'sha256' };
const ED25519 = { algorithm: sequence(oid(OID.ed25519)), hash: null };

/** A new P-256 key, as PKCS #8 PEM. */
export function newPrivateKey(): Secret {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
}

/**
 * A PKCS#10 request (RFC 2986 §4) as PEM: asks for a certificate for the key without showing it.
 *
 *     CertificationRequestInfo { version INTEGER, subject Name, subjectPKInfo, [0] attributes { extensionRequest { … } } }
 */
export function makeCertificateRequest(privateKeyPem: Secret, subject: Subject, names?: AlternativeNames): string {
  const altName = names === undefined ? undefined : subjectAltName(names);
  const extensions =
    altName === undefined ? [] : [sequence(oid(OID.extensionRequest), element(TAG.set, sequence(altName)))];
  const request = requestDer(privateKeyPem, encodeSubject(subject), extensions);
  const lines = request.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}

/** A PKCS#10 request in DER that says nothing but that its maker has the key. */
export function makeStubRequest(privateKeyPem: Secret): Buffer {
  return requestDer(privateKeyPem, sequence(), []);
}

function requestDer(privateKeyPem: Secret, subject: Buffer, attributes: readonly Buffer[]): Buffer {
  const key = createPrivateKey(privateKeyPem.reveal());
  const info = sequence(
    unsignedInteger(Buffer.from([0])),
    subject,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    element(contextTag(0, true), ...attributes),
  );
  const { algorithm, hash } = key.asymmetricKeyType === 'ec' ? ECDSA : key.asymmetricKeyType === 'rsa' ? RSA : ED25519;
  return sequence(info, algorithm, bitString(sign(hash, info, key)));
}
