import { ProtocolError } from '../lib/errors.ts';
import type { Subject } from './certificate.ts';
import { expectElement, readElement, readElements, TAG } from './der.ts';
import { readSubject } from './subject.ts';

const PEM = /-----BEGIN CERTIFICATE REQUEST-----\s*([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE REQUEST-----/;

/**
 * Whom a PKCS#10 request (RFC 2986 §4) asks a certificate for. `pem` is its text. Throws `ProtocolError` when it cannot be read, or
 * when its subject can be read in two ways.
 *
 *     CertificationRequest { CertificationRequestInfo { version INTEGER, subject Name, … }, … }
 */
export function requestedSubject(pem: string): Subject {
  const body = PEM.exec(pem)?.[1];
  if (body === undefined) throw new ProtocolError('PEM block type must be CERTIFICATE REQUEST');
  const outer = expectElement(readElement(Buffer.from(body, 'base64')), TAG.sequence, 'certificate request');
  const info = expectElement(readElements(outer.content)[0], TAG.sequence, 'certificate request info');
  const [version, subject] = readElements(info.content);
  expectElement(version, TAG.integer, 'version');
  return readSubject(expectElement(subject, TAG.sequence, 'subject'));
}
