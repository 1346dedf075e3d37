/**
 * 1,000 nodes on one control plane: each with a client certificate of its own for its Node object, a connection of its own over TLS 1.3, a watch of its
 * pods and one of its Node, its lease renewed every 10 s and its status written every 60 s (a kubelet does so every 300 s). Meanwhile an admin
 * reads, and what everybody waits is measured. The nodes are in the benchmark's own process, which competes for the same processors.
 */

import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/lib/clock.ts';
import { ClusterPki } from '../src/pki/cluster-pki.ts';
import { request, startBenchControlPlane } from './control-plane.ts';
import type { BenchResult } from './result.ts';

const NODES = 1_000;
const JOIN_AT_ONCE = 16;
const LEASE_MS = 10_000;
const STATUS_MS = 60_000;
const ADMIN_MS = 50;
const WARM_UP_MS = 10_000;
const MEASURE_MS = 20_000;
const TARGET_MS = 100;

interface BenchNode {
  readonly name: string;
  readonly session: ClientHttp2Session;
}

export async function run(): Promise<BenchResult[]> {
  const root = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  const controlPlane = await startBenchControlPlane(join(root, 'cluster'));
  const nodes: BenchNode[] = [];
  try {
    const pki = await ClusterPki.open(join(root, 'cluster', 'pki'), { clock: systemClock });
    const admin = await controlPlane.connect();
    const joining = async (index: number): Promise<void> => {
      nodes.push(await joinNode(controlPlane.url, pki, admin, `node-${index}`));
    };
    const began = performance.now();
    for (let i = 0; i < NODES; i += JOIN_AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(JOIN_AT_ONCE, NODES - i) }, (_, at) => joining(i + at)));
    }
    const joinedMs = performance.now() - began;

    const waits: number[] = [];
    let measuring = false;
    let stopped = false;
    const timed = async (work: Promise<string>): Promise<void> => {
      const start = performance.now();
      await work;
      if (measuring) waits.push(performance.now() - start);
    };
    const every = async (ms: number, first: number, work: () => Promise<void>): Promise<void> => {
      await pause(first);
      while (!stopped) {
        const start = performance.now();
        await work();
        await pause(Math.max(0, ms - (performance.now() - start)));
      }
    };
    const busy = nodes.flatMap((node, index) => [
      every(LEASE_MS, (index / NODES) * LEASE_MS, () => timed(renewLease(node))),
      every(STATUS_MS, (index / NODES) * STATUS_MS, () => timed(writeStatus(node))),
    ]);
    let turn = 0;
    const reads = ['/api/v1/nodes/node-1', '/api/v1/nodes?limit=100', '/api/v1/pods?limit=100', '/version'];
    busy.push(every(ADMIN_MS, 0, () => timed(request(admin, 'GET', reads[turn++ % reads.length] ?? ''))));
    await pause(WARM_UP_MS);
    const cpuBefore = await cpuSeconds(controlPlane.pid);
    measuring = true;
    await pause(MEASURE_MS);
    measuring = false;
    const cpu = ((await cpuSeconds(controlPlane.pid)) - cpuBefore) / (MEASURE_MS / 1000);
    stopped = true;
    for (const timer of timers) timer();
    await Promise.all(busy);
    waits.sort((a, b) => a - b);
    const p99 = waits[Math.floor(waits.length * 0.99)] ?? Number.NaN;
    const resident = Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${controlPlane.pid}/status`, 'utf8'))?.[1]);
    const row = (measure: string, value: number, unit: string, most = Number.POSITIVE_INFINITY): BenchResult => ({
      measure: `${NODES} nodes (mTLS, 2 watches, lease and status each): ${measure}`,
      value: round(value),
      unit,
      target: most === Number.POSITIVE_INFINITY ? 'reported' : `<= ${most} ${unit}`,
      ok: value <= most,
    });
    return [
      row('p99 of all requests', p99, 'ms', TARGET_MS),
      row("the control plane's processor", cpu * 100, '% of a core'),
      row("the control plane's resident memory", resident / 1000, 'MB'),
      row('all joined, 16 at a time', joinedMs / 1000, 's'),
    ];
  } finally {
    for (const { session } of nodes) session.destroy();
    await controlPlane.stop();
    await rm(root, { recursive: true });
  }
}

async function joinNode(url: string, pki: ClusterPki, admin: ClientHttp2Session, name: string): Promise<BenchNode> {
  const made = JSON.parse(await request(admin, 'POST', '/api/v1/nodes', json({ metadata: { name } })));
  const user = `system:node:${name}`;
  const identity = pki.issueClient({ user, groups: ['system:nodes'], uid: made.metadata.uid });
  const session = connect(url, {
    ca: pki.clusterCa.certificatePem,
    cert: identity.certificatePem,
    key: identity.privateKeyPem.reveal(),
    minVersion: 'TLSv1.3',
  });
  await once(session, 'connect');
  await Promise.all([
    watch(session, `/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D${name}`),
    watch(session, `/api/v1/nodes?watch=1&fieldSelector=metadata.name%3D${name}`),
  ]);
  const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: now() };
  const lease = { metadata: { name, namespace: 'kube-node-lease' }, spec };
  await request(session, 'POST', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', json(lease));
  return { name, session };
}

async function watch(session: ClientHttp2Session, path: string): Promise<void> {
  const stream = session.request({ ':path': path });
  stream.on('error', () => undefined);
  const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }];
  if (headers[':status'] !== 200) throw new Error(`watch ${path}: ${headers[':status']}`);
  stream.resume();
}

function renewLease({ session, name }: BenchNode): Promise<string> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}`;
  return request(session, 'PATCH', path, json({ spec: { renewTime: now() } }), 'application/merge-patch+json');
}

function writeStatus({ session, name }: BenchNode): Promise<string> {
  const at = new Date().toISOString().replace(/\.\d+/, '');
  const condition = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: at };
  const path = `/api/v1/nodes/${name}/status`;
  return request(
    session,
    'PATCH',
    path,
    json({ status: { conditions: [condition] } }),
    'application/strategic-merge-patch+json',
  );
}

const timers = new Set<() => void>();

/** Until then, or until everything stops. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      timers.delete(end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timers.add(end);
  });
}

/** User and system time of a process so far. */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function now(): string {
  return new Date().toISOString().replace('Z', '000Z');
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

if (import.meta.main) console.table(await run());
