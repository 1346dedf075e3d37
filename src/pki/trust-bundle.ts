import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g;
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;

/**
 * Why a text is not PEM with certificates of authorities, each once, and no other block; undefined when it is. Words between the blocks
 * are allowed. What looks like the beginning of a block and is none could be a private key that was cut: refused.
 */
export function whyNoTrustBundle(pem: string): string | undefined {
  const blocks = [...pem.matchAll(BLOCK)];
  const seen = new Set<string>();
  for (const [i, [block, type = '', body = '']] of blocks.entries()) {
    if (type !== 'CERTIFICATE') return `entry ${i} has bad block type: ${type}`;
    if (!BASE64.test(body)) return `entry ${i} has PEM block headers`;
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(block);
    } catch {
      return `entry ${i} does not parse as X.509`;
    }
    if (!certificate.ca) return `entry ${i} does not have the CA bit set`;
    if (seen.has(certificate.fingerprint256)) return `duplicate trust anchor (entry ${i})`;
    seen.add(certificate.fingerprint256);
  }
  if (pem.split('-----BEGIN').length - 1 !== blocks.length) return 'there is a PEM block that does not end';
  return blocks.length === 0 ? 'at least one trust anchor must be provided' : undefined;
}
