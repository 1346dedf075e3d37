import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { CertificateSource, IssuedCertificate } from './issued-certificate.ts';

/** Renews at a random point between 70 and 90 % of the certificate's life. */
export declare class RotatingCertificate implements CertificateSource {
  static start(
    issue: () => IssuedCertificate | Promise<IssuedCertificate>,
    options: { readonly clock: Clock; readonly log: Log; readonly random?: () => number },
  ): Promise<RotatingCertificate>;
  current(): IssuedCertificate;
  onChange(listener: () => void): () => void;
  /** Renews now: what the certificate shall say has changed. */
  renew(): Promise<void>;
  close(): void;
}
