import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { CausewayError } from '../lib/errors.ts';
import { type Negotiated, negotiated } from './negotiated.ts';
import { OID } from './oids.ts';
import { describeVerification } from './tls-failure.ts';

/** Who is at the other end of an accepted connection, and how it is protected. */
export interface PeerIdentity extends Negotiated {
  /** See `Credentials.certificateState`. */
  readonly certificateState: 'none' | 'verified' | 'invalid';
  readonly peerCertificate?: X509Certificate;
  /** Why an invalid certificate is invalid: for the log and the 401. */
  readonly invalidReason?: string;
  readonly remoteAddress: string;
}

const IDENTITY = Symbol('causeway.peerIdentity');

/** A property, not a WeakMap: node:http2 hands out proxies of its sockets. */
interface Marked {
  [IDENTITY]?: PeerIdentity;
}

/** Of a connection that a TLS listener accepted (`request.socket`, or an HTTP/2 session's `socket`). Throws for any other. */
export function peerIdentity(socket: object): PeerIdentity {
  const identity = (socket as Marked)[IDENTITY];
  if (identity === undefined)
    throw new CausewayError('InternalError', 'the connection did not come from a TLS listener');
  return identity;
}

/** Judges an accepted connection, once, after its handshake. For the listener only. */
export function recordPeerIdentity(socket: TLSSocket, nowMs: number, remoteAddress: string): PeerIdentity {
  const certificate = socket.getPeerX509Certificate();
  const state = judge(socket, certificate, nowMs);
  const identity: PeerIdentity = Object.freeze({ ...negotiated(socket), ...state, remoteAddress });
  Object.defineProperty(socket, IDENTITY, { value: identity });
  return identity;
}

function judge(
  socket: TLSSocket,
  certificate: X509Certificate | undefined,
  nowMs: number,
): Pick<PeerIdentity, 'certificateState' | 'peerCertificate' | 'invalidReason'> {
  if (certificate === undefined) return { certificateState: 'none' };
  const invalidReason = refusal(socket, certificate, nowMs);
  return invalidReason === undefined
    ? { certificateState: 'verified', peerCertificate: certificate }
    : { certificateState: 'invalid', peerCertificate: certificate, invalidReason };
}

/** OpenSSL has checked chain, time and purpose; what is here once more does not rely on a resumed or an odd session. */
function refusal(socket: TLSSocket, certificate: X509Certificate, nowMs: number): string | undefined {
  if (!socket.authorized) return describeVerification(String(socket.authorizationError ?? 'not verified'));
  if (socket.isSessionReused()) return 'tls: resumed sessions are not accepted';
  if (nowMs < certificate.validFromDate.getTime() || nowMs >= certificate.validToDate.getTime()) {
    return describeVerification('CERT_HAS_EXPIRED');
  }
  const uses = certificate.keyUsage;
  if (uses !== undefined && !uses.includes(OID.clientAuth) && !uses.includes(OID.anyExtendedKeyUsage)) {
    return describeVerification('INVALID_PURPOSE');
  }
  if (certificate.ca) return 'x509: a CA certificate is not a client certificate';
  return undefined;
}
