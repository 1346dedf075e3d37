import { X509Certificate } from 'node:crypto';
import { CausewayError } from '../lib/errors.ts';

/** A set of CA certificates, as PEM, that may change while the process runs. */
export interface TrustSource {
  /** The same array until it changes. */
  current(): readonly string[];
  onChange(listener: () => void): () => void;
}

export function fixedTrust(pems: readonly string[]): TrustSource {
  return { current: () => pems, onChange: () => () => undefined };
}

/** Trust that its owner replaces. */
export class ChangingTrust implements TrustSource {
  readonly #listeners = new Set<() => void>();
  #pems: readonly string[];

  constructor(pems: readonly string[]) {
    this.#pems = pems;
  }

  current(): readonly string[] {
    return this.#pems;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the listeners, unless nothing changed. */
  set(pems: readonly string[]): void {
    if (pems.length === this.#pems.length && pems.every((pem, at) => pem === this.#pems[at])) return;
    this.#pems = pems;
    for (const listener of this.#listeners) listener();
  }
}

/** The certificates of a bundle, one PEM each, whatever else stands between them. */
export function certificatesIn(bundle: string): string[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => `${block}\n`);
}

/** The CA certificates of a bundle. Throws `Invalid` when there is none, or one that is not a CA's. */
export function caCertificates(bundle: string, what: string): readonly string[] {
  const pems = certificatesIn(bundle);
  if (pems.length === 0) throw new CausewayError('Invalid', `${what} holds no certificate`);
  for (const pem of pems) {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(pem);
    } catch (cause) {
      throw new CausewayError('Invalid', `${what} holds a certificate that cannot be read`, { cause });
    }
    if (!certificate.ca) throw new CausewayError('Invalid', `${what} holds a certificate that is not a CA's`);
  }
  return pems;
}

/** Whether the same of these authorities has issued both certificates. */
export function haveSameIssuer(one: string, other: string, caPems: readonly string[]): boolean {
  const [first, second] = [new X509Certificate(one), new X509Certificate(other)];
  return caPems.map((pem) => new X509Certificate(pem).publicKey).some((key) => first.verify(key) && second.verify(key));
}
