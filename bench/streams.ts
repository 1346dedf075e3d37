/**
 * Bytes through exec and port-forward, each way, over the whole path: client, apiserver, kubelet, process in the pod. Beside it, in
 * turns, the same bytes through a bare two-hop TLS relay that ends at the same programs.
 */
import { fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { parse } from 'yaml';
import { systemClock } from '../src/lib/clock.ts';
import { CertificateAuthority } from '../src/pki/authority.ts';
import { SpdyConnection } from '../src/streaming/spdy-connection.ts';
import { startCluster, type TestCluster } from '../test/support/cluster.ts';
import { median } from './median.ts';
import type { RelayPorts, RelayStart } from './relay-child.ts';
import type { BenchResult } from './result.ts';

const MEGABYTES = 300;
const BYTES = MEGABYTES * 1_000_000;
const ROUNDS = 3;
const TARGET = 0.7;
const CHUNK = 64 * 1024;

/** Sends BYTES to whoever connects with the byte `d` first; takes BYTES from the others and answers with one byte. */
const SERVER = `
  const net = require('node:net');
  net.createServer({ allowHalfOpen: true }, (s) => {
    s.on('error', () => {});
    let left = ${BYTES};
    s.once('data', (first) => {
      if (first[0] !== 100) {
        left -= first.length;
        s.on('data', (c) => { left -= c.length; if (left <= 0) s.end('k'); });
        return;
      }
      const chunk = Buffer.alloc(${CHUNK});
      const more = () => {
        while (left > 0) {
          const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
          left -= part.length;
          if (!s.write(part)) return void s.once('drain', more);
        }
        s.end();
      };
      more();
    });
  }).listen(PORT, '127.0.0.1', () => console.log('listening'));
`;

const SOURCE: readonly [string, ...string[]] = ['head', '-c', String(BYTES), '/dev/zero'];
const SINK: readonly [string, ...string[]] = ['wc', '-c'];

interface Connection {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export async function run(): Promise<BenchResult[]> {
  const cluster = await startCluster();
  const relay = await startRelay();
  try {
    const serve = [process.execPath, '-e', SERVER.replace('PORT', '8080')];
    await cluster.ok(['run', 'bench', '--image=none', '--command', '--', ...serve]);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/bench', '--timeout=30s']);
    await cluster.until('the server in the pod', async () =>
      (await cluster.ok(['logs', 'bench'])).includes('listening'),
    );
    const server = await connectionOf(cluster);
    const measures: readonly (readonly [string, () => Promise<void>, () => Promise<void>])[] = [
      ['exec, from the pod', () => execDown(server), () => relayDown(relay, relay.ports.source)],
      ['exec, to the pod', () => execUp(server), () => relayUp(relay, relay.ports.sink)],
      ['port-forward, from the pod', () => forward(server, 'down'), () => relayDown(relay, relay.ports.tcp, 'd')],
      ['port-forward, to the pod', () => forward(server, 'up'), () => relayUp(relay, relay.ports.tcp)],
    ];
    const results: BenchResult[] = [];
    for (const [measure, ours, bare] of measures) {
      const [a, b]: [number[], number[]] = [[], []];
      for (let i = 0; i < ROUNDS; i++) {
        a.push(await megabytesPerSecond(ours));
        b.push(await megabytesPerSecond(bare));
      }
      const [value, baseline] = [median(a), median(b)];
      const ratio = Math.round((value / baseline) * 100) / 100;
      results.push({
        measure: `${measure}, against a bare two-hop TLS relay`,
        value: Math.round(value),
        unit: 'MB/s',
        baseline: Math.round(baseline),
        ratio,
        target: `>= ${TARGET} x`,
        ok: ratio >= TARGET,
      });
    }
    return results;
  } finally {
    relay.stop();
    await cluster.ok(['delete', 'pod', 'bench', '--now']);
    await cluster.stop();
  }
}

async function megabytesPerSecond(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return MEGABYTES / ((performance.now() - started) / 1000);
}

async function connectionOf(cluster: TestCluster): Promise<Connection> {
  const config = parse(await readFile(cluster.kubeconfig, 'utf8')) as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
    users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
  };
  const text = (base64: string): string => Buffer.from(base64, 'base64').toString();
  const { server, 'certificate-authority-data': ca } = config.clusters[0]!.cluster;
  const { user } = config.users[0]!;
  const { hostname, port } = new URL(server);
  const [cert, key] = [text(user['client-certificate-data']), text(user['client-key-data'])];
  return { host: hostname, port: Number(port), ca: text(ca), cert, key };
}

/** A request that becomes a stream: resolves with the socket and what came behind the 101. */
async function upgrade(
  to: Connection,
  method: string,
  path: string,
  headers: readonly string[],
): Promise<{ socket: Duplex; head: Buffer }> {
  const socket = connectTls({ ...to, minVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'] });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  socket.write([`${method} ${path} HTTP/1.1`, 'host: bench', 'connection: Upgrade', ...headers, '', ''].join('\r\n'));
  let received = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) continue;
    if (!received.subarray(0, 12).toString().endsWith('101')) throw new Error(received.toString());
    socket.pause();
    return { socket, head: received.subarray(end + 4) };
  }
}

const POD = '/api/v1/namespaces/default/pods/bench';

async function webSocket(
  to: Connection,
  command: readonly string[],
  stdin: boolean,
): Promise<{ socket: Duplex; head: Buffer }> {
  const query = new URLSearchParams({ container: 'bench', stdout: 'true', ...(stdin ? { stdin: 'true' } : {}) });
  for (const part of command) query.append('command', part);
  const key = randomBytes(16).toString('base64');
  const headers = [
    'upgrade: websocket',
    'sec-websocket-version: 13',
    `sec-websocket-key: ${key}`,
    'sec-websocket-protocol: v5.channel.k8s.io',
  ];
  return upgrade(to, 'GET', `${POD}/exec?${query}`, headers);
}

async function execDown(to: Connection): Promise<void> {
  const { socket, head } = await webSocket(to, SOURCE, false);
  let bytes = head.length;
  const whole = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes >= BYTES) resolve();
    });
    socket.once('close', () => reject(new Error(`exec brought ${bytes} of ${BYTES} bytes`)));
  });
  socket.resume();
  await whole;
  socket.destroy();
}

/** One masked binary message on channel 0, made once and sent again and again. */
function stdinFrame(): Buffer {
  const payload = Buffer.alloc(CHUNK + 1);
  const header = Buffer.alloc(10);
  header[0] = 0x82;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(payload.length), 2);
  const key = randomBytes(4);
  const masked = payload.map((byte, i) => byte ^ key[i % 4]!);
  return Buffer.concat([header, key, masked]);
}

async function execUp(to: Connection): Promise<void> {
  const { socket, head } = await webSocket(to, SINK, true);
  const frame = stdinFrame();
  const frames = Math.ceil(BYTES / CHUNK);
  const counted = String(frames * CHUNK);
  let text = head.toString('latin1');
  const whole = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes(counted)) resolve();
    });
    socket.once('close', () => reject(new Error(`exec did not take ${counted} bytes: ${text}`)));
  });
  whole.catch(() => undefined);
  socket.resume();
  for (let i = 0; i < frames; i++) if (!socket.write(frame)) await Promise.race([once(socket, 'drain'), whole]);
  // v5: channel 255 with the number of the channel that ends. A mask of zeros leaves the payload as it is.
  socket.write(Buffer.of(0x82, 0x82, 0, 0, 0, 0, 255, 0));
  await whole;
  socket.destroy();
}

async function forward(to: Connection, way: 'up' | 'down'): Promise<void> {
  const headers = ['upgrade: SPDY/3.1', 'x-stream-protocol-version: portforward.k8s.io'];
  const { socket, head } = await upgrade(to, 'POST', `${POD}/portforward`, headers);
  const connection = new SpdyConnection(socket, { role: 'client', maxStreams: 10, head });
  const headersOf = (type: string) =>
    new Map([
      ['streamtype', [type]],
      ['port', ['8080']],
      ['requestid', ['0']],
    ]);
  const errors = connection.openStream(headersOf('error'));
  errors.end();
  errors.resume();
  const stream = connection.openStream(headersOf('data'));
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  const ended = once(stream, 'end');
  if (way === 'down') stream.write('d');
  else await sendAll(stream);
  await ended;
  stream.end();
  const wanted = way === 'down' ? BYTES : 1;
  if (bytes !== wanted) throw new Error(`port-forward brought ${bytes} of ${wanted} bytes`);
  socket.destroy();
}

async function sendAll(stream: Duplex): Promise<void> {
  const chunk = Buffer.alloc(CHUNK);
  for (let left = BYTES; left > 0; left -= chunk.length) {
    const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
    if (!stream.write(part)) await once(stream, 'drain');
  }
}

interface Relay {
  readonly ports: RelayPorts;
  readonly ca: string;
  stop(): void;
}

async function startRelay(): Promise<Relay> {
  const made = CertificateAuthority.create('bench', { clock: systemClock });
  const authority = new CertificateAuthority(made.certificatePem, made.privateKeyPem, { clock: systemClock });
  const serving = authority.issueServing({ commonName: 'bare', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
  const server = spawn(
    process.execPath,
    [
      '-e',
      SERVER.replace('PORT', '0')
        .replace("'listening'", 's.address().port')
        .replace('net.createServer', 'const s = net.createServer'),
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const child = fork(new URL('./relay-child.ts', import.meta.url).pathname, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const start: RelayStart = {
    cert: serving.certificatePem,
    key: serving.privateKeyPem.reveal(),
    ca: made.certificatePem,
    source: SOURCE,
    sink: SINK,
    tcpPort: Number(line.toString()),
  };
  child.send(start);
  const [ports] = (await once(child, 'message')) as [RelayPorts];
  return {
    ports,
    ca: made.certificatePem,
    stop: () => {
      child.disconnect();
      server.kill();
    },
  };
}

async function relayDown({ ca }: Relay, port: number, first = ''): Promise<void> {
  const socket = connectTls({ host: '127.0.0.1', port, ca, minVersion: 'TLSv1.3' });
  await once(socket, 'secureConnect');
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  const ended = once(socket, 'end');
  if (first !== '') socket.write(first);
  await ended;
  socket.destroy();
  if (bytes !== BYTES) throw new Error(`the relay brought ${bytes} of ${BYTES} bytes`);
}

async function relayUp({ ca }: Relay, port: number): Promise<void> {
  const socket = connectTls(halfOpen(port, ca));
  await once(socket, 'secureConnect');
  socket.resume();
  const ended = once(socket, 'end');
  await sendAll(socket);
  socket.end();
  await ended;
  socket.destroy();
}

/** Node takes `allowHalfOpen`; its types do not know it. */
function halfOpen(port: number, ca: string): ConnectionOptions {
  const options = { host: '127.0.0.1', port, ca, minVersion: 'TLSv1.3' as const, allowHalfOpen: true };
  return options;
}
