import { X509Certificate } from 'node:crypto';
import { CausewayError } from '../lib/errors.ts';

/** A set of CA certificates, as PEM, that may change while the process runs. */
export interface TrustSource {
  current(): readonly string[];
  onChange(listener: () => void): () => void;
}

export function fixedTrust(pems: readonly string[]): TrustSource {
  return { current: () => pems, onChange: () => () => undefined };
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM bundle, in order. Throws when there is none or one cannot be parsed. */
export function parseBundle(pem: string): X509Certificate[] {
  const blocks = pem.match(BLOCK);
  if (blocks === null) throw new CausewayError('InternalError', 'the bundle holds no certificate');
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new CausewayError('InternalError', `certificate ${index + 1} of the bundle cannot be parsed`, { cause });
    }
  });
}
