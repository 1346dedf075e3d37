import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import {
  type AlternativeNames,
  type CertificateContent,
  makeCertificate,
  type RandomBytes,
  type Subject,
} from './certificate.ts';
import type { ClientRequest, IssuedCertificate, ServingRequest } from './issued-certificate.ts';
import { subjectOf } from './subject.ts';

const DAY_MS = 86_400_000;
/** Valid since a little before now: the peer's clock may be behind ours. */
const BACKDATE_MS = 5 * 60_000;
const CA_DAYS = 3652;
const LEAF_DAYS = 7;

export interface AuthorityOptions {
  readonly clock: Clock;
  readonly random?: RandomBytes;
}

/** What a certificate for somebody else's key shall say. */
export interface CertifiedContent
  extends Pick<CertificateContent, 'subject' | 'names' | 'publicKey' | 'keyEncipherment'> {
  readonly use: 'server' | 'client';
  /** How long it lives from now; never longer than the CA. */
  readonly seconds: number;
  /** For how long it is valid already; five minutes without it. */
  readonly backdateSeconds?: number;
}

/** A self-signed CA and what it issues. */
export class CertificateAuthority {
  readonly certificate: X509Certificate;
  readonly certificatePem: string;
  readonly #key: KeyObject;
  readonly #options: AuthorityOptions;
  readonly #crossPem: string;

  /**
   * `crossPem` is this CA's key certified by the CA before it: it is sent along with each certificate, to those who trust only that one yet. Throws when key
   * and certificate do not belong together, or the certificate cannot be a CA now.
   */
  constructor(certificatePem: string, privateKeyPem: Secret, options: AuthorityOptions, crossPem = '') {
    this.certificate = parseCertificate(certificatePem);
    this.certificatePem = this.certificate.toString();
    this.#key = parsePrivateKey(privateKeyPem);
    this.#options = options;
    this.#crossPem = crossPem;
    if (!this.certificate.ca) throw new CausewayError('InternalError', 'the certificate is not one of a CA');
    if (!this.certificate.checkPrivateKey(this.#key)) {
      throw new CausewayError('InternalError', 'the private key does not belong to the certificate');
    }
    const now = options.clock.now();
    if (now >= this.certificate.validToDate.getTime()) {
      throw new CausewayError('InternalError', `the certificate expired on ${this.certificate.validTo}`);
    }
    if (now < this.certificate.validFromDate.getTime()) {
      throw new CausewayError('InternalError', `the certificate is not valid before ${this.certificate.validFrom}`);
    }
  }

  static create(commonName: string, options: AuthorityOptions): { certificatePem: string; privateKeyPem: Secret } {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const now = options.clock.now();
    const certificate = makeCertificate({
      use: 'ca',
      subject: { commonName, organizations: [] },
      publicKey,
      notBefore: now - BACKDATE_MS,
      notAfter: now + CA_DAYS * DAY_MS,
      issuerKey: privateKey,
      ...(options.random === undefined ? {} : { random: options.random }),
    });
    return { certificatePem: certificate.toString(), privateKeyPem: privateKeyPem(privateKey) };
  }

  /** Another CA's key, certified by this one, as PEM. */
  crossSign(other: X509Certificate): string {
    return this.#sign({
      use: 'ca',
      subject: subjectOf(other),
      publicKey: other.publicKey,
      notBefore: other.validFromDate.getTime(),
      notAfter: Math.min(other.validToDate.getTime(), this.certificate.validToDate.getTime()),
    }).toString();
  }

  /**
   * A certificate for somebody else's key, as PEM, with what a server sends along. For `request-signer.ts`, which has checked what was asked.
   * Throws when this CA ends before it would begin.
   */
  certify(content: CertifiedContent): string {
    const { seconds, backdateSeconds, ...rest } = content;
    const validity = this.#validity(seconds * 1000, backdateSeconds && backdateSeconds * 1000);
    if (validity.notAfter <= this.#options.clock.now()) {
      throw new CausewayError('InternalError', 'the certificate authority has expired');
    }
    return this.#sign({ ...rest, ...validity }).toString() + (content.use === 'server' ? this.#crossPem : '');
  }

  issueServing(request: ServingRequest): IssuedCertificate {
    const subject = { commonName: request.commonName, organizations: request.organizations ?? [] };
    return this.#issue('server', subject, request.days, {
      dnsNames: request.dnsNames,
      ipAddresses: request.ipAddresses,
      uris: request.uris ?? [],
    });
  }

  issueClient(request: ClientRequest): IssuedCertificate {
    const uid = request.uid === undefined ? {} : { uid: request.uid };
    const subject = { commonName: request.user, organizations: request.groups, ...uid };
    return this.#issue('client', subject, request.days);
  }

  #issue(use: 'server' | 'client', subject: Subject, days = LEAF_DAYS, names?: AlternativeNames): IssuedCertificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const validity = this.#validity(days * DAY_MS);
    const certificate = this.#sign({ use, subject, ...(names === undefined ? {} : { names }), publicKey, ...validity });
    return {
      certificatePem: certificate.toString() + this.#crossPem,
      privateKeyPem: privateKeyPem(privateKey),
      certificate,
      ...validity,
    };
  }

  #validity(ms: number, backdateMs = BACKDATE_MS): { notBefore: number; notAfter: number } {
    const now = this.#options.clock.now();
    return {
      notBefore: Math.max(now - backdateMs, this.certificate.validFromDate.getTime()),
      notAfter: Math.min(now + ms, this.certificate.validToDate.getTime()),
    };
  }

  #sign(content: Omit<CertificateContent, 'issuer' | 'issuerKey' | 'random'>): X509Certificate {
    const { random } = this.#options;
    const issuer = { issuer: this.certificate, issuerKey: this.#key };
    return makeCertificate({ ...content, ...issuer, ...(random === undefined ? {} : { random }) });
  }
}

function privateKeyPem(key: KeyObject): Secret {
  return new Secret(key.export({ type: 'pkcs8', format: 'pem' }) as string);
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new CausewayError('InternalError', 'the certificate cannot be parsed', { cause });
  }
}

function parsePrivateKey(pem: Secret): KeyObject {
  try {
    return createPrivateKey(pem.reveal());
  } catch {
    throw new CausewayError('InternalError', 'the private key cannot be parsed'); // no cause: it might quote the key
  }
}
