import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { Secret } from '../lib/secret.ts';
import { type AlternativeNames, encodeSubject, type Subject, subjectAltName } from './certificate.ts';
import { bitString, contextTag, element, sequence, TAG, unsignedInteger } from './der.ts';
import { OID, oid } from './oids.ts';

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
  const key = createPrivateKey(privateKeyPem.reveal());
  const altName = names === undefined ? undefined : subjectAltName(names);
  const extensions =
    altName === undefined ? [] : [sequence(oid(OID.extensionRequest), element(TAG.set, sequence(altName)))];
  const info = sequence(
    unsignedInteger(Buffer.from([0])),
    encodeSubject(subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    element(contextTag(0, true), ...extensions),
  );
  const request = sequence(info, sequence(oid(OID.ecdsaWithSha256)), bitString(sign('sha256', info, key)));
  const lines = request.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}
