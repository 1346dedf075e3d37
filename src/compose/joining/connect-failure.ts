import type { X509Certificate } from 'node:crypto';
import type { FailedHandshake } from '../../client/connection.ts';
import { type Clock, rfc3339 } from '../../lib/clock.ts';
import { backoff, sleep } from '../../lib/deadline.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import { describeTlsFailure } from '../../pki/tls-failure.ts';
import { passes } from './certificate-request.ts';

const RETRY_BASE_MS = 200;
const RETRY_MAX_MS = 10_000;

/** OpenSSL's words for "not from a CA that you gave me". */
const UNKNOWN_CA: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);
const WRONG_TIME: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const NO_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_UNEXPECTED_MESSAGE',
  'EPROTO',
]);

/** Why the server could not be asked, and whether that passes by itself. */
export interface ConnectFailure {
  readonly line: string;
  readonly passes: boolean;
}

export interface Patience {
  /** Also a server that is not the one that is looked for is waited out: the right one may come back. */
  readonly withStrangers: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** Asks until the server can be reached, with back-off and jitter; says why it waits, once for each reason. Throws what it answers. */
export async function untilReached<T>(
  server: string,
  ask: () => Promise<T>,
  { withStrangers, clock, signal, progress }: Patience,
): Promise<T> {
  let told = '';
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const failure = connectFailure(error, server, clock.now());
      // A node that was removed stays removed.
      if (failure === undefined && (isCode(error, 'Gone') || !passes(error))) throw error;
      const line = failure?.line ?? (error as Error).message;
      if (failure?.passes === false && !withStrangers) {
        throw new CausewayError('BadGateway', line, { cause: error });
      }
      // Times differ each time; the reason is the same.
      const reason = line.replaceAll(/\d/g, '');
      if (reason !== told) progress(`${line.replace(/\.$/, '')}; trying again`);
      told = reason;
    }
    if (!(await sleep(backoff(attempt, RETRY_BASE_MS, RETRY_MAX_MS), signal))) signal.throwIfAborted();
  }
}

/** undefined when the server was reached and verified: what it said then is something else. Nothing was sent to it otherwise. */
export function connectFailure(error: unknown, server: string, now: number): ConnectFailure | undefined {
  if (!(error instanceof CausewayError) || error.code !== 'ServiceUnavailable') return undefined;
  const cause = error.cause as Partial<FailedHandshake & NodeJS.ErrnoException> | undefined;
  const { code = '', peerCertificate } = cause ?? {};
  const host = new URL(server).host;
  const not = (why: string): ConnectFailure => ({ line: `${why} Nothing was sent to it.`, passes: false });
  if (UNKNOWN_CA.has(code)) {
    return not(`${host} is not the server that this node looks for: its certificate comes from another CA.`);
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const name = new URL(server).hostname.replace(/^\[|\]$/g, '');
    return not(
      `the certificate of ${host} is not for ${name}, but for ${namesOf(peerCertificate)}: give one of these in --server, or start the server with --tls-san ${name}.`,
    );
  }
  if (WRONG_TIME.has(code)) return not(wrongTime(host, peerCertificate, now));
  if (NO_TLS.has(code)) return not(`${host} does not speak TLS: a server listens with https.`);
  if (code.startsWith('ERR_SSL_')) return not(`${host} is no apiserver: ${describeTlsFailure(cause)}.`);
  return { line: `no answer from ${host}: ${describeTlsFailure(cause)}`, passes: true };
}

function namesOf(certificate: X509Certificate | undefined): string {
  const names = certificate?.subjectAltName?.replaceAll(/(DNS|IP Address|URI):/g, '');
  return names ?? 'another name';
}

/** A certificate that is not valid now, or a clock that is wrong: only a person can tell. */
function wrongTime(host: string, certificate: X509Certificate | undefined, now: number): string {
  const clock = `this machine's clock says ${rfc3339(now)}`;
  if (certificate === undefined) return `the certificate of ${host} is not valid now; ${clock}: set the clock.`;
  const from = certificate.validFromDate.getTime();
  const to = certificate.validToDate.getTime();
  const validity = `the certificate of ${host} is valid from ${rfc3339(from)} to ${rfc3339(to)}`;
  return now < from
    ? `${validity}, and ${clock}: it is behind. Set it.`
    : `${validity}, and ${clock}: set the clock if it is wrong, otherwise restart the server.`;
}
