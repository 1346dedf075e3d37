import { X509Certificate } from 'node:crypto';
import { Connection } from '../../client/connection.ts';
import type { ClientCredentials } from '../../client/credentials.ts';
import { RestClient } from '../../client/rest-client.ts';
import { type Clock, rfc3339 } from '../../lib/clock.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import type { Secret } from '../../lib/secret.ts';
import { clientTls } from '../../pki/client-tls.ts';
import type { IssuedCertificate } from '../../pki/issued-certificate.ts';
import { newPrivateKey } from '../../pki/make-certificate-request.ts';
import { subjectOf } from '../../pki/subject.ts';
import { caCertificates, fixedTrust } from '../../pki/trust.ts';
import { packageVersion } from '../version.ts';
import { nodeRequest, requestCertificate } from './certificate-request.ts';
import { untilReached } from './connect-failure.ts';
import type { NodeStore } from './node-store.ts';
import { tokenRefused } from './refusals.ts';

/** A clock that is further off than this makes certificates that are not valid yet, or not any more. */
const MAX_CLOCK_DIFFERENCE_MS = 5 * 60_000;
const REQUEST_MS = 30_000;

export interface Invitation {
  /** `https://192.0.2.1:6443` */
  readonly server: string;
  readonly token: Secret;
  /** PEM: whom the server's certificate must come from. */
  readonly caPem: string;
}

export interface JoinOptions {
  readonly store: NodeStore;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/**
 * Becomes a node of the cluster: verifies the server with the CA of the invitation before anything is sent, asks for a client certificate for a key
 * that is made here, and keeps both. Throws one line that says what is wrong, and what to do.
 */
export async function joinCluster(
  { server, token, caPem }: Invitation,
  { store, nodeName, clock, signal, progress }: JoinOptions,
): Promise<IssuedCertificate> {
  const cas = caCertificates(caPem, '--ca-cert');
  const ca = fixedTrust(cas);
  const name = new URL(server).hostname.replace(/^\[|\]$/g, '');
  const credentials: ClientCredentials = {
    tls: () => clientTls({ ca, server: { name }, alpnProtocols: ['h2'] }),
    bearerToken: () => token.reveal(),
  };
  const patience = { withStrangers: false, clock, signal, progress };
  await untilReached(server, () => greet(server, credentials, clock, signal), patience);
  progress(`joining ${server} as node ${nodeName}`);
  const pending = (await store.pending(nodeName)) ?? nodeRequest('client', nodeName, newPrivateKey());
  await store.savePending(pending);
  const client = new RestClient(server, credentials, `causeway-node/${packageVersion()}`);
  try {
    const requester = token.reveal().split('.')[0] ?? '';
    const issued = await requestCertificate(client, pending, { requester, signal, progress });
    checkIssued(issued, nodeName, cas);
    await store.saveTrust({ serverCa: cas.join('') });
    await store.saveMembership({ server, nodeName });
    await store.saveCertificate('client', issued);
    await store.forgetPending();
    return issued;
  } catch (error) {
    if (isCode(error, 'Unauthorized')) throw tokenRefused(error);
    // A request that was refused once is refused for ever.
    if (isCode(error, 'Forbidden')) await store.forgetPending();
    throw error;
  } finally {
    client.close();
  }
}

/** The first that the server hears of this node, once it is verified: whether it takes the token, and what time it is there. */
async function greet(server: string, credentials: ClientCredentials, clock: Clock, signal: AbortSignal): Promise<void> {
  const connection = new Connection(server, credentials);
  try {
    const { status, headers, body } = await connection.request({
      method: 'GET',
      path: '/version',
      headers: { accept: 'application/json', 'user-agent': `causeway-node/${packageVersion()}` },
      timeoutMs: REQUEST_MS,
      signal,
    });
    for await (const _ of body); // to its end, for the stream's sake
    if (status === 401) throw tokenRefused(undefined);
    if (status >= 500) throw new CausewayError('InternalError', `the server answered ${status}`);
    checkClock(String(headers['date'] ?? ''), clock.now());
  } finally {
    connection.close();
  }
}

function checkClock(date: string, here: number): void {
  const there = Date.parse(date);
  if (Number.isNaN(there) || Math.abs(here - there) <= MAX_CLOCK_DIFFERENCE_MS) return;
  const hours = Math.abs(here - there) / 3_600_000;
  const off = hours >= 1 ? `${hours.toFixed(1)} hours` : `${Math.round(hours * 60)} minutes`;
  throw new CausewayError(
    'BadRequest',
    `this machine's clock is ${off} ${here > there ? 'ahead of' : 'behind'} the server's (here ${rfc3339(here)}, there ${rfc3339(there)}): set it, then join`,
  );
}

/** A certificate is taken only for what was asked for: this node, one Node object, from the CA of the invitation. */
function checkIssued(issued: IssuedCertificate, nodeName: string, cas: readonly string[]): void {
  const { commonName, organizations, uid } = subjectOf(issued.certificate);
  const isOurs = commonName === `system:node:${nodeName}` && organizations.join() === 'system:nodes';
  const isTrusted = cas.some((pem) => issued.certificate.verify(new X509Certificate(pem).publicKey));
  if (!isOurs || uid === undefined || uid === '' || !isTrusted) {
    throw new CausewayError('Invalid', `the certificate that was issued is not one for node ${nodeName}`);
  }
}
