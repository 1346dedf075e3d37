import type { X509Certificate } from 'node:crypto';
import { ProtocolError } from '../lib/errors.ts';
import { type Subject, subjectBytes } from './certificate.ts';
import { type DerElement, expectElement, readElement, readElements, readText, TAG } from './der.ts';
import { findExtension } from './extensions.ts';
import { OID, oid } from './oids.ts';

/**
 * Common name, organizations and Kubernetes' UID from a certificate's subject, read from its DER: the text that OpenSSL prints
 * cannot tell `O=a` plus a line break from two attributes. Throws `ProtocolError` on more than one CN or UID, or an odd string type.
 */
export function subjectOf(certificate: X509Certificate): Subject {
  return readSubject(readElement(subjectBytes(certificate)));
}

/** The same of a `Name` (RFC 5280 §4.1.2.4), wherever it stands. */
export function readSubject(name: DerElement): Subject {
  return readName(name).subject;
}

/** A `Name`, and whether it says more than `Subject` can. */
export function readName(name: DerElement): { readonly subject: Subject; readonly hasMore: boolean } {
  const found = new Map<string, string[]>();
  let hasMore = false;
  for (const set of readElements(name.content)) {
    expectElement(set, TAG.set, 'relative distinguished name');
    for (const attribute of readElements(set.content)) {
      const [type, value] = readElements(expectElement(attribute, TAG.sequence, 'attribute').content);
      const wanted = WANTED.find((dotted) => type !== undefined && oid(dotted).equals(type.bytes));
      if (wanted === undefined || value === undefined) {
        hasMore = true;
        continue;
      }
      found.set(wanted, [...(found.get(wanted) ?? []), readText(value)]);
    }
  }
  const uid = single(found.get(OID.kubernetesUid), 'UID');
  const subject = {
    commonName: single(found.get(OID.commonName), 'common name') ?? '',
    organizations: found.get(OID.organization) ?? [],
    ...(uid === undefined ? {} : { uid }),
  };
  return { subject, hasMore };
}

const WANTED = [OID.commonName, OID.organization, OID.kubernetesUid];

function single(values: readonly string[] | undefined, what: string): string | undefined {
  if (values !== undefined && values.length > 1) throw new ProtocolError(`the subject has more than one ${what}`);
  return values?.[0];
}

/** The URI names of a certificate: `causeway:node-uid:…`. */
export function uriNamesOf(certificate: X509Certificate): string[] {
  return alternativeNames(certificate, 6);
}

export function dnsNamesOf(certificate: X509Certificate): string[] {
  return alternativeNames(certificate, 2);
}

function alternativeNames(certificate: X509Certificate, kind: number): string[] {
  const tbs = readElements(readElement(certificate.raw).content)[0];
  const wrapper = readElements(expectElement(tbs, TAG.sequence, 'tbsCertificate').content).find(
    ({ tag }) => tag === 0xa3,
  );
  if (wrapper === undefined) return [];
  const value = findExtension(readElement(wrapper.content), OID.subjectAltName);
  if (value === undefined) return [];
  return readElements(readElement(value).content)
    .filter((name) => name.tag === (0x80 | kind))
    .map((name) => name.content.toString('latin1'));
}
