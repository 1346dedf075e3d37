/**
 * GET of one pod and LIST of 5,000, through the whole apiserver, against a bare node:http2 server that sends the same bytes. The
 * same client loads both, in turns, from 32 streams over 4 connections (GET) and 2 over 2 (LIST).
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/lib/clock.ts';
import { CertificateAuthority } from '../src/pki/authority.ts';
import type { BareServerStart } from './bare-server-child.ts';
import { request, startBenchControlPlane } from './control-plane.ts';
import type { BenchResult } from './result.ts';

const PODS = 5_000;
const ROUNDS = 3;
const ROUND_MS = 2_000;
const GET_CONNECTIONS = 4;
const GET_STREAMS = 32;
const LIST_CONNECTIONS = 2;
const NAMESPACE = '/api/v1/namespaces/bench';

interface Target {
  readonly sessions: readonly ClientHttp2Session[];
  readonly path: string;
}

export async function run(): Promise<BenchResult[]> {
  const root = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  const controlPlane = await startBenchControlPlane(join(root, 'cluster'));
  try {
    const admin = await controlPlane.connect();
    await request(admin, 'POST', '/api/v1/namespaces', Buffer.from('{"metadata":{"name":"bench"}}'));
    await request(admin, 'POST', `${NAMESPACE}/serviceaccounts`, Buffer.from('{"metadata":{"name":"default"}}'));
    for (let i = 0; i < PODS; i += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, j) => request(admin, 'POST', `${NAMESPACE}/pods`, pod(i + j))));
    }
    const one = await measure(controlPlane, `${NAMESPACE}/pods/p0`, GET_CONNECTIONS, GET_STREAMS);
    const all = await measure(controlPlane, `${NAMESPACE}/pods`, LIST_CONNECTIONS, LIST_CONNECTIONS);
    return [
      row(
        'GET of one pod, against a bare node:http2 server',
        one.causeway.requests,
        one.bare.requests,
        'requests/s',
        0.5,
      ),
      row(
        `LIST of ${PODS} pods, against the same bytes from the bare server`,
        all.causeway.megabytes,
        all.bare.megabytes,
        'MB/s',
        0.6,
      ),
    ];
  } finally {
    await controlPlane.stop();
    await rm(root, { recursive: true, force: true });
  }
}

function row(measure: string, value: number, baseline: number, unit: string, target: number): BenchResult {
  const ratio = Math.round((value / baseline) * 100) / 100;
  return {
    measure,
    value: Math.round(value),
    unit,
    baseline: Math.round(baseline),
    ratio,
    target: `>= ${target} x`,
    ok: ratio >= target,
  };
}

function pod(index: number): Buffer {
  const labels = { app: 'bench', shard: String(index % 10) };
  const container = {
    name: 'c',
    image: 'registry.example/app:1.0',
    command: ['serve', '--port', '8080'],
    env: [{ name: 'A', value: 'one' }],
    resources: { requests: { cpu: '10m', memory: '32Mi' } },
  };
  return Buffer.from(JSON.stringify({ metadata: { name: `p${index}`, labels }, spec: { containers: [container] } }));
}

interface Rate {
  requests: number;
  megabytes: number;
}

async function measure(
  controlPlane: Awaited<ReturnType<typeof startBenchControlPlane>>,
  path: string,
  connections: number,
  streams: number,
): Promise<{ causeway: Rate; bare: Rate }> {
  const sessions: ClientHttp2Session[] = [];
  for (let i = 0; i < connections; i++) sessions.push(await controlPlane.connect());
  const body = await request(sessions[0]!, 'GET', path);
  const bare = await startBare(body, connections);
  const results: { causeway: Rate[]; bare: Rate[] } = { causeway: [], bare: [] };
  try {
    for (const target of [{ sessions, path }, bare.target]) await load(target, streams, ROUND_MS / 2);
    for (let round = 0; round < ROUNDS; round++) {
      results.causeway.push(await load({ sessions, path }, streams, ROUND_MS));
      results.bare.push(await load(bare.target, streams, ROUND_MS));
    }
  } finally {
    for (const session of sessions) session.destroy();
    await bare.stop();
  }
  return { causeway: median(results.causeway), bare: median(results.bare) };
}

function median(rates: readonly Rate[]): Rate {
  return [...rates].sort((a, b) => a.requests - b.requests)[Math.floor(rates.length / 2)]!;
}

async function startBare(body: string, connections: number): Promise<{ target: Target; stop(): Promise<void> }> {
  const made = CertificateAuthority.create('bench', { clock: systemClock });
  const authority = new CertificateAuthority(made.certificatePem, made.privateKeyPem, { clock: systemClock });
  const serving = authority.issueServing({ commonName: 'bare', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
  const child = fork(new URL('./bare-server-child.ts', import.meta.url).pathname, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const start: BareServerStart = { cert: serving.certificatePem, key: serving.privateKeyPem.reveal(), body };
  child.send(start);
  const [port] = (await once(child, 'message')) as [number];
  const sessions: ClientHttp2Session[] = [];
  for (let i = 0; i < connections; i++) {
    const session = connect(`https://127.0.0.1:${port}`, { ca: made.certificatePem, minVersion: 'TLSv1.3' });
    await once(session, 'connect');
    sessions.push(session);
  }
  return {
    target: { sessions, path: '/' },
    stop: async () => {
      for (const session of sessions) session.destroy();
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** Asks again and again from so many streams at once, for so long. */
async function load(target: Target, streams: number, ms: number): Promise<Rate> {
  let requests = 0;
  let bytes = 0;
  const started = performance.now();
  const end = started + ms;
  const worker = async (session: ClientHttp2Session): Promise<void> => {
    while (performance.now() < end) {
      bytes += await drain(session, target.path);
      requests++;
    }
  };
  await Promise.all(Array.from({ length: streams }, (_, i) => worker(target.sessions[i % target.sessions.length]!)));
  const seconds = (performance.now() - started) / 1000;
  return { requests: requests / seconds, megabytes: bytes / 1e6 / seconds };
}

function drain(session: ClientHttp2Session, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path });
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on('error', reject);
    stream.on('response', (headers) => {
      if (headers[':status'] !== 200) reject(new Error(`${path} answered ${headers[':status']}`));
    });
    stream.on('end', () => resolve(bytes));
  });
}
