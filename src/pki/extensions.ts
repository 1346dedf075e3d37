import { ProtocolError } from '../lib/errors.ts';
import { type DerElement, expectElement, readElements, TAG } from './der.ts';
import { oid } from './oids.ts';

/**
 * The content of one extension (RFC 5280 §4.1) of a certificate, or of what a request asks for; undefined when it is not there. Throws
 * `ProtocolError` when it is there twice: two readers could believe different ones.
 *
 *     Extensions SEQUENCE OF { type OID, critical BOOLEAN DEFAULT FALSE, value OCTET STRING }
 */
export function findExtension(extensions: DerElement, type: string): Buffer | undefined {
  const found = readElements(expectElement(extensions, TAG.sequence, 'extensions').content)
    .map((extension) => readElements(expectElement(extension, TAG.sequence, 'extension').content))
    .filter(([name]) => name !== undefined && oid(type).equals(name.bytes));
  if (found.length > 1) throw new ProtocolError(`the extension ${type} is there more than once`);
  return found[0] === undefined ? undefined : expectElement(found[0].at(-1), TAG.octetString, 'extension').content;
}
