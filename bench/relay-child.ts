/**
 * Run by a benchmark: the least that two TLS hops cost. A relay takes TLS and passes the bytes over a second TLS connection to an end,
 * both in this process, as the apiserver and the kubelet of `causeway up` are. The end hands them to a program's standard input, takes
 * them from one's standard output, or passes them to and from a TCP port.
 */
import { spawn } from 'node:child_process';
import { type AddressInfo, connect, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, createServer as createTlsServer } from 'node:tls';

export interface RelayStart {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** What the sending end runs: `head -c … /dev/zero`. */
  readonly source: readonly [string, ...string[]];
  readonly sink: readonly [string, ...string[]];
  readonly tcpPort: number;
}

export interface RelayPorts {
  readonly source: number;
  readonly sink: number;
  readonly tcp: number;
}

process.once('message', (start: RelayStart) => void serve(start));
process.once('disconnect', () => process.exit());

async function serve(start: RelayStart): Promise<void> {
  const ends: Readonly<Record<keyof RelayPorts, (socket: Duplex) => void>> = {
    source: (socket) => {
      const child = spawn(start.source[0], start.source.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] });
      child.stdout.pipe(socket);
    },
    sink: (socket) => {
      const child = spawn(start.sink[0], start.sink.slice(1), { stdio: ['pipe', 'pipe', 'ignore'] });
      socket.pipe(child.stdin);
      child.stdout.pipe(socket);
    },
    tcp: (socket) => {
      const upstream = connect({ host: '127.0.0.1', port: start.tcpPort, allowHalfOpen: true });
      socket.pipe(upstream).pipe(socket);
      upstream.on('error', () => socket.destroy());
    },
  };
  const ports: Record<string, number> = {};
  for (const [name, end] of Object.entries(ends)) ports[name] = await relayTo(start, await listen(start, end));
  process.send?.(ports);
}

function listen(start: RelayStart, end: (socket: Duplex) => void): Promise<number> {
  const { cert, key } = start;
  const server = createTlsServer({ cert, key, minVersion: 'TLSv1.3', allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    end(socket);
  });
  return portOf(server);
}

function relayTo(start: RelayStart, port: number): Promise<number> {
  const { cert, key, ca } = start;
  const server = createTlsServer({ cert, key, minVersion: 'TLSv1.3', allowHalfOpen: true, noDelay: true }, (socket) => {
    const upstream = connectTls(halfOpen(port, ca));
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  return portOf(server);
}

function portOf(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** Node takes `allowHalfOpen`; its types do not know it. */
function halfOpen(port: number, ca: string): ConnectionOptions {
  const options = { host: '127.0.0.1', port, ca, minVersion: 'TLSv1.3' as const, allowHalfOpen: true };
  return options;
}
