import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { IssuedCertificate } from '../../../src/pki/issued-certificate.ts';

export interface FakeKubeletOptions {
  /** What it shows; without one it speaks in clear. */
  readonly certificate?: IssuedCertificate;
  /** Default `http/1.1`. */
  readonly protocol?: 'h2';
  /** What it says to a request, once the request's head is there; in clear, to the first bytes. */
  readonly answer?: (connection: Socket, head: string) => void;
}

/** Somebody who stands on a node's address and waits for the apiserver. */
export interface FakeKubelet {
  readonly port: number;
  /** TCP connections so far. */
  readonly connections: number;
  /** Everything that was said to it above TLS, connection by connection: what an attacker would have learnt. */
  readonly heard: readonly string[];
  /** Connections that are still open. */
  readonly open: number;
  close(): Promise<void>;
}

export async function startFakeKubelet(options: FakeKubeletOptions): Promise<FakeKubelet> {
  const { certificate, answer } = options;
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const listen = (connection: Socket): void => {
    const index = heard.push('') - 1;
    let answered = false;
    connection.on('error', () => undefined);
    connection.on('data', (chunk: Buffer) => {
      heard[index] += chunk.toString('latin1');
      if (answered || (certificate !== undefined && !(heard[index] ?? '').includes('\r\n\r\n'))) return;
      answered = true;
      answer?.(connection, heard[index] ?? '');
    });
  };
  const above =
    certificate === undefined
      ? undefined
      : createTlsServer({
          cert: certificate.certificatePem,
          key: certificate.privateKeyPem.reveal(),
          // Whoever comes is welcome: an attacker asks for no certificate that it would have to believe.
          requestCert: false,
          ALPNProtocols: [options.protocol ?? 'http/1.1'],
        });
  above?.on('secureConnection', listen);
  above?.on('tlsClientError', () => undefined);
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    if (above === undefined) listen(socket);
    else above.emit('connection', socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A test that fails before it closes this one must not wait for ever.
  server.unref();
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    get connections() {
      return connections;
    },
    heard,
    get open() {
      return sockets.size;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
