import { X509Certificate } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Clock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import type { CertificateSource } from './issued-certificate.ts';
import { HANDSHAKE_TIMEOUT_MS, MAX_PENDING_HANDSHAKES } from './limits.ts';
import { peerIdentity, recordPeerIdentity } from './peer-identity.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import { describeTlsFailure, describeVerification } from './tls-failure.ts';
import { CIPHERS, KEY_EXCHANGE_GROUPS, SECURE_OPTIONS, type TlsVersion } from './tls-policy.ts';
import type { TrustSource } from './trust.ts';

export type Protocol = 'h2' | 'http/1.1';

export interface TlsListenerOptions {
  readonly certificate: CertificateSource;
  /** CAs that client certificates may come from; at least one. */
  readonly clientCas: TrustSource;
  readonly clock: Clock;
  /** Default `TLSv1.3`. */
  readonly minVersion?: TlsVersion;
  /** By ALPN; default both. A client without ALPN gets HTTP/1.1. */
  readonly protocols?: readonly Protocol[];
  /** After the handshake. `peerIdentity(socket)` is ready. */
  readonly onConnection: (socket: TLSSocket, protocol: Protocol) => void;
  readonly onFailure?: (failure: { readonly remoteAddress: string; readonly reason: string }) => void;
  readonly handshakeTimeoutMs?: number;
  readonly maxPendingHandshakes?: number;
}

export interface TlsListener {
  /** Port 0 takes a free one. Throws an Error with `code` EADDRINUSE, EACCES as node:net does. */
  listen(port: number, host: string): Promise<AddressInfo>;
  /** Takes a raw stream that came by another way, a tunnel for instance; its `remoteAddress` is `tunnel`. */
  accept(stream: Duplex): void;
  /** Stops accepting; open connections live on. */
  stopAccepting(): void;
  /** Stops accepting and destroys the connections that are open; waits until the port is free. */
  close(): Promise<void>;
  /** Open connections whose handshake succeeded. */
  readonly connections: number;
}

/**
 * A TLS listener with optional client certificates. The one place where Node is told not to refuse by itself: a client may show a
 * token instead of a certificate. Whoever shows an invalid certificate is let in as `invalid`, which no authenticator accepts.
 */
export function createTlsListener(options: TlsListenerOptions): TlsListener {
  const open = new Set<Duplex>();
  /** Known once the trust has changed: a handshake that began before it was judged by the one before. */
  let changedCas: readonly X509Certificate[] | undefined;
  const pending = new PendingHandshakes(options.maxPendingHandshakes ?? MAX_PENDING_HANDSHAKES);
  let accepting = true;

  const fail = (remoteAddress: string | undefined, reason: string) =>
    options.onFailure?.({ remoteAddress: remoteAddress ?? 'unknown', reason });

  // It does not listen: `tcp` and `accept` hand it raw connections.
  const tls = createTlsServer(serverOptions(options));
  tls.on('secureConnection', (socket) => {
    pending.done(socket);
    socket.on('error', () => undefined); // the HTTP server has its own; without any, an error would end the process
    recordPeerIdentity(socket, options.clock.now(), socket.remoteAddress ?? 'tunnel');
    if (changedCas !== undefined && !stillTrusted(socket, changedCas)) {
      fail(socket.remoteAddress, describeVerification('UNABLE_TO_VERIFY_LEAF_SIGNATURE'));
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    options.onConnection(socket, socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1');
  });
  tls.on('tlsClientError', (error, socket) => {
    fail(socket.remoteAddress, describeTlsFailure(error));
    socket.destroy();
  });

  const reload = () => {
    try {
      tls.setSecureContext(serverOptions(options));
    } catch (error) {
      fail(undefined, `the new certificate cannot be used: ${describeTlsFailure(error)}`);
    }
  };
  const trustChanged = () => {
    reload();
    const cas = options.clientCas.current().map((pem) => new X509Certificate(pem));
    changedCas = cas;
    for (const socket of open) if ('authorized' in socket && !stillTrusted(socket as TLSSocket, cas)) socket.destroy();
  };
  const unsubscribe = [options.certificate.onChange(reload), options.clientCas.onChange(trustChanged)];

  const tcp = createServer({ noDelay: true }, (socket: Socket) => {
    socket.on('error', () => undefined);
    if (pending.admit(socket)) {
      tls.emit('connection', socket);
      return;
    }
    fail(socket.remoteAddress, 'too many TLS handshakes are pending');
    socket.destroy();
  });

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        tcp.once('error', reject);
        tcp.listen(port, host, () => {
          tcp.off('error', reject);
          tcp.on('error', (error) => fail(undefined, describeTlsFailure(error)));
          resolve(tcp.address() as AddressInfo);
        });
      }),
    accept: (stream) => {
      stream.on('error', () => undefined);
      if (!accepting) return void stream.destroy();
      open.add(stream);
      stream.once('close', () => open.delete(stream));
      tls.emit('connection', stream);
    },
    stopAccepting: () => {
      accepting = false;
      if (tcp.listening) tcp.close();
    },
    close: async () => {
      accepting = false;
      for (const end of unsubscribe) end();
      const closed = tcp.listening ? new Promise<void>((resolve) => tcp.close(() => resolve())) : undefined;
      pending.destroyAll();
      for (const socket of open) socket.destroy();
      await closed;
    },
    get connections() {
      let count = 0;
      for (const socket of open) if ('authorized' in socket) count++;
      return count;
    },
  };
}

/** A client's certificate is worth no more than its CA: when that is given up, so is the connection. */
function stillTrusted(socket: TLSSocket, cas: readonly X509Certificate[]): boolean {
  const { certificateState, peerCertificate } = peerIdentity(socket);
  if (certificateState !== 'verified' || peerCertificate === undefined) return true;
  return cas.some((ca) => peerCertificate.checkIssued(ca) && peerCertificate.verify(ca.publicKey));
}

function serverOptions(options: TlsListenerOptions): TlsOptions {
  const { certificatePem, privateKeyPem } = options.certificate.current();
  const ca = options.clientCas.current();
  // Node would take a missing list for "every public CA".
  if (ca.length === 0) throw new CausewayError('InternalError', 'a TLS listener needs a CA for client certificates');
  return {
    cert: certificatePem,
    key: privateKeyPem.reveal(),
    ca: [...ca],
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: options.minVersion ?? 'TLSv1.3',
    ALPNProtocols: [...(options.protocols ?? ['h2', 'http/1.1'])],
    ecdhCurve: KEY_EXCHANGE_GROUPS,
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: SECURE_OPTIONS,
    handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
  };
}
