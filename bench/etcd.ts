import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createServer } from 'node:net';

export interface Etcd {
  /** A connection for `etcdPut`. */
  connect(): Promise<ClientHttp2Session>;
  stop(): Promise<void>;
}

/** Debian's etcd 3.4 as it comes, without TLS, data under `directory`. */
export async function startEtcd(directory: string): Promise<Etcd> {
  await mkdir(directory, { recursive: true });
  const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const running = spawn(
    'etcd',
    [
      ['--data-dir', `${directory}/etcd`],
      ['--listen-client-urls', client, '--advertise-client-urls', client],
      ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
      ['--logger', 'zap', '--log-level', 'error'],
    ].flat(),
    { stdio: 'ignore' },
  );
  const failed = once(running, 'error').then(([error]) => Promise.reject(error));
  failed.catch(() => undefined);
  const sessions = new Set<ClientHttp2Session>();
  const etcd: Etcd = {
    async connect() {
      const session = connect(client);
      sessions.add(session);
      await once(session, 'connect');
      return session;
    },
    async stop() {
      for (const session of sessions) session.destroy();
      const gone = once(running, 'exit');
      running.kill('SIGTERM');
      await gone;
    },
  };
  for (let attempt = 0; ; attempt++) {
    try {
      const session = await Promise.race([etcd.connect(), failed]);
      await etcdPut(session, '/ready', Buffer.from('yes'));
      return etcd;
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const PUT_HEADERS = {
  ':method': 'POST',
  ':path': '/etcdserverpb.KV/Put',
  'content-type': 'application/grpc',
  te: 'trailers',
};

/** `etcdserverpb.KV/Put` by gRPC, made by hand: a client library or the JSON gateway would only slow etcd down. */
export function etcdPut(session: ClientHttp2Session, key: string, value: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(PUT_HEADERS);
    let status: unknown;
    stream.on('response', (headers) => {
      status ??= headers['grpc-status'];
    });
    stream.on('trailers', (headers) => {
      status = headers['grpc-status'];
    });
    stream.on('error', reject);
    stream.on('close', () => (status === '0' ? resolve() : reject(new Error(`grpc-status ${String(status)}`))));
    stream.resume();
    stream.end(grpcMessage(field(1, Buffer.from(key)), field(2, value)));
  });
}

/** A length-delimited protobuf field. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}

function grpcMessage(...fields: Buffer[]): Buffer {
  const body = Buffer.concat(fields);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
