import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;

/** Why a text is not PEM with certificates and nothing else; undefined when it is. */
export function whyNoCertificates(pem: string): string | undefined {
  const blocks = [...pem.matchAll(BLOCK)];
  if (blocks.length === 0) return 'must contain at least one CERTIFICATE PEM block';
  for (const [block, type] of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found "${type}"`;
    try {
      new X509Certificate(block);
    } catch {
      return 'a CERTIFICATE PEM block cannot be read';
    }
  }
  return undefined;
}
