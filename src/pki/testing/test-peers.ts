import { once } from 'node:events';
import { createServer as createHttp1, type IncomingMessage } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { attachServers } from '../attach-servers.ts';
import { CertificateAuthority } from '../authority.ts';
import { type CertificateSource, fixedCertificate, type IssuedCertificate } from '../issued-certificate.ts';
import { createTlsListener, type TlsListener, type TlsListenerOptions } from '../listener.ts';
import { type PeerIdentity, peerIdentity } from '../peer-identity.ts';
import { fixedTrust } from '../trust.ts';

/** For tests: authorities in memory, and a listener that tells each client what it saw of it. */

export function testAuthority(name: string, clock: Clock = systemClock): CertificateAuthority {
  const { certificatePem, privateKeyPem } = CertificateAuthority.create(name, { clock });
  return new CertificateAuthority(certificatePem, privateKeyPem, { clock });
}

/** An authority that lives `days` in the past: what it issues for fewer days is expired now. */
export function pastAuthority(authority: (clock: Clock) => CertificateAuthority, days: number): CertificateAuthority {
  return authority({ now: () => Date.now() - days * 86_400_000 });
}

export function servingFor(authority: CertificateAuthority): IssuedCertificate {
  return authority.issueServing({ commonName: 'test-server', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
}

export function changeable<T>(first: T): {
  current(): T;
  onChange(listener: () => void): () => void;
  set(next: T): void;
} {
  const listeners = new Set<() => void>();
  let value = first;
  return {
    current: () => value,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set: (next) => {
      value = next;
      for (const listener of listeners) listener();
    },
  };
}

export interface TestListener extends AsyncDisposable {
  readonly listener: TlsListener;
  readonly port: number;
  readonly failures: { remoteAddress: string; reason: string }[];
}

/** Its HTTP answer is what `peerIdentity` says, as JSON. */
export async function identityServer(
  authority: CertificateAuthority,
  options: Partial<TlsListenerOptions> & { certificate?: CertificateSource; headersTimeout?: number } = {},
): Promise<TestListener> {
  const failures: { remoteAddress: string; reason: string }[] = [];
  const answer = (identity: PeerIdentity) =>
    JSON.stringify({ ...identity, peerCertificate: identity.peerCertificate?.subject });
  const { headersTimeout = 60_000, ...overrides } = options;
  const http1 = createHttp1(
    { headersTimeout, connectionsCheckingInterval: 50 },
    (request: IncomingMessage, response) => {
      response.end(answer(peerIdentity(request.socket)));
    },
  );
  const http2 = createHttp2((request, response) => {
    response.end(answer(peerIdentity(request.stream.session?.socket as object)));
  });
  const listener = createTlsListener({
    certificate: fixedCertificate(servingFor(authority)),
    clientCas: fixedTrust([authority.certificatePem]),
    clock: systemClock,
    onConnection: attachServers({ http1, http2 }),
    onFailure: (failure) => void failures.push(failure),
    ...overrides,
  });
  const { port } = await listener.listen(0, '127.0.0.1');
  return {
    listener,
    port,
    failures,
    [Symbol.asyncDispose]: async () => {
      http1.close();
      http2.close();
      await listener.close();
    },
  };
}

/** A TLS connection after its handshake; the failure of the handshake is thrown. */
export async function dial(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

/** The body of `GET /` over HTTP/1.1 on an open connection. */
export async function get(socket: TLSSocket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n');
  let received = '';
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received += chunk.toString();
    const head = received.indexOf('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? Number.NaN);
    if (head >= 0 && received.length >= head + 4 + length) return received.slice(head + 4);
  }
}
