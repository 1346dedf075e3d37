import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../lib/clock.ts';
import type { CertificateSource } from './issued-certificate.ts';
import type { TrustSource } from './trust.ts';

export type Protocol = 'h2' | 'http/1.1';

export interface TlsListenerOptions {
  readonly certificate: CertificateSource;
  /** CAs that client certificates may come from. */
  readonly clientCas: TrustSource;
  readonly clock: Clock;
  /** Default `TLSv1.3`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Default both. */
  readonly protocols?: readonly Protocol[];
  /** After the handshake. `peerIdentity(socket)` is ready. */
  readonly onConnection: (socket: TLSSocket, protocol: Protocol) => void;
  readonly onFailure?: (failure: { readonly remoteAddress: string; readonly reason: string }) => void;
}

export interface TlsListener {
  /** Port 0 takes a free one. Throws an Error with `code` EADDRINUSE, EACCES as node:net does. */
  listen(port: number, host: string): Promise<AddressInfo>;
  /** Stops accepting at once; waits for nothing: it destroys the connections that are open. */
  close(): Promise<void>;
  /** Stops accepting; open connections live on. */
  stopAccepting(): void;
  readonly connections: number;
}

/** TLS listener with optional client certificates: an invalid certificate is reported as such and never an identity. */
export declare function createTlsListener(options: TlsListenerOptions): TlsListener;
