import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { CertificateSource, IssuedCertificate } from './issued-certificate.ts';

/** A renewal falls at a random point of this span of the certificate's life, so that many do not renew at once. */
const RENEW_FROM = 0.7;
const RENEW_SPAN = 0.2;
/** The clock is looked at this often: timers stand still while a machine sleeps. */
const CHECK_MS = 60_000;
const MAX_RETRY_MS = 15 * 60_000;

export interface RotatingCertificateOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Calls its listener when a certificate is wanted that a new authority issued: `ClusterPki.onReissue`. */
  readonly onReissue?: (listener: () => void) => () => void;
  /** 0 up to 1. */
  readonly random?: () => number;
}

/** A certificate that is replaced before it ends. */
export class RotatingCertificate implements CertificateSource {
  readonly #issue: () => IssuedCertificate | Promise<IssuedCertificate>;
  readonly #options: RotatingCertificateOptions;
  readonly #listeners = new Set<() => void>();
  #current: IssuedCertificate;
  #renewAt: number;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #stopReissue: (() => void) | undefined;
  #renewing: Promise<void> | undefined;

  private constructor(
    first: IssuedCertificate,
    issue: () => IssuedCertificate | Promise<IssuedCertificate>,
    options: RotatingCertificateOptions,
  ) {
    this.#issue = issue;
    this.#options = options;
    this.#current = first;
    this.#renewAt = this.#chooseRenewal(first);
    this.#timer = setInterval(() => void this.renewIfDue(), CHECK_MS);
    this.#timer.unref();
    this.#stopReissue = options.onReissue?.(() => {
      // Should it fail, the next check tries again.
      this.#renewAt = 0;
      void this.renewIfDue();
    });
  }

  /** `issue` makes the first certificate and each later one; it may read what the certificate shall say anew each time. */
  static async start(
    issue: () => IssuedCertificate | Promise<IssuedCertificate>,
    options: RotatingCertificateOptions,
  ): Promise<RotatingCertificate> {
    return RotatingCertificate.resume(await issue(), issue, options);
  }

  /** Begins with a certificate that there is; one that is due is renewed soon. */
  static resume(
    first: IssuedCertificate,
    issue: () => IssuedCertificate | Promise<IssuedCertificate>,
    options: RotatingCertificateOptions,
  ): RotatingCertificate {
    return new RotatingCertificate(first, issue, options);
  }

  current(): IssuedCertificate {
    return this.#current;
  }

  /** When the next renewal is due, in ms since the epoch. */
  get renewAt(): number {
    return this.#renewAt;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Renews now: what the certificate shall say has changed. Throws when issuing fails; the old one stays. */
  async renew(): Promise<void> {
    // A renewal under way may have read what the certificate shall say before the change: start anew after it.
    await this.#renewing?.catch(() => undefined);
    this.#renewing ??= this.#replace().finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
  }

  /** Renews when the time has come. A failure is logged, and tried again later: the later, the more often it failed. */
  async renewIfDue(): Promise<void> {
    if (this.#options.clock.now() < this.#renewAt || this.#renewing !== undefined) return;
    try {
      await this.renew();
    } catch (error) {
      const wait = backoff(this.#failures, CHECK_MS, MAX_RETRY_MS, this.#options.random);
      this.#failures++;
      this.#renewAt = this.#options.clock.now() + wait;
      this.#options.log.error('certificate renewal failed; trying again', {
        subject: this.#current.certificate.subject,
        notAfter: new Date(this.#current.notAfter).toISOString(),
        error: String(error),
      });
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stopReissue?.();
    this.#timer = undefined;
    this.#listeners.clear();
  }

  async #replace(): Promise<void> {
    const next = await this.#issue();
    this.#current = next;
    this.#failures = 0;
    this.#renewAt = this.#chooseRenewal(next);
    for (const listener of this.#listeners) listener();
  }

  #chooseRenewal(issued: IssuedCertificate): number {
    const random = this.#options.random ?? Math.random;
    return issued.notBefore + (issued.notAfter - issued.notBefore) * (RENEW_FROM + RENEW_SPAN * random());
  }
}
