import type { X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** What TLS negotiated, as the library recorded it; `unknown` where it does not say. */
export interface Negotiated {
  /** `TLSv1.3` */
  readonly tlsVersion: string;
  /** `X25519MLKEM768` */
  readonly tlsGroup: string;
  readonly cipher: string;
}

export interface PeerIdentity extends Negotiated {
  readonly certificateState: 'none' | 'verified' | 'invalid';
  readonly peerCertificate?: X509Certificate;
  /** Why an invalid certificate is invalid: for the log and the 401. */
  readonly invalidReason?: string;
  readonly remoteAddress: string;
}

/** Of a connection that a TLS listener accepted (`request.socket`, or an HTTP/2 session's `socket`). Throws for any other. */
export declare function peerIdentity(socket: Duplex): PeerIdentity;

/** Of either side's TLSSocket after the handshake. */
export declare function negotiated(socket: Duplex): Negotiated;
