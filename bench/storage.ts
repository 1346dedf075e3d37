/**
 * Durable writes of 1 kB from 16 clients: the store itself, and POST of pods through the whole apiserver, against puts to etcd 3.4, all on the
 * same disk, in turns in one run.
 *
 * etcd is reached without TLS by a gRPC client of a few lines, over the number of connections that suits it best; the apiserver over TLS 1.3 with
 * a client certificate by a client of a few lines, and it authorises, defaults, validates, admits and audits each pod. The store's clients are in
 * its own process.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/lib/clock.ts';
import { silentLog } from '../src/lib/log.ts';
import { storageKey } from '../src/storage/keys.ts';
import { openLmdbStore } from '../src/storage/lmdb/store.ts';
import { request, startBenchControlPlane } from './control-plane.ts';
import { etcdPut, startEtcd } from './etcd.ts';
import { median } from './median.ts';
import type { BenchResult } from './result.ts';

const CLIENTS = 16;
const VALUE_BYTES = 1024;
const TURNS = 9;
const TURN_MS = 700;
/** Writes before anything is measured, whatever time they take: code is compiled by how often it runs. */
const WARM_UP_WRITES = 20_000;
const PODS = '/api/v1/namespaces/default/pods';

type Write = (client: number, n: number) => Promise<unknown>;

export async function run(): Promise<BenchResult[]> {
  const root = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  const closing: (() => Promise<unknown>)[] = [() => rm(root, { recursive: true })];
  try {
    const etcd = await startEtcd(join(root, 'etcd'));
    closing.push(() => etcd.stop());
    const store = await openLmdbStore({ directory: join(root, 'store'), clock: systemClock, log: silentLog });
    closing.push(() => store.close());
    const controlPlane = await startBenchControlPlane(join(root, 'cluster'));
    closing.push(() => controlPlane.stop());

    const value = Buffer.alloc(VALUE_BYTES, 'x');
    const many = await Promise.all(Array.from({ length: CLIENTS }, () => etcd.connect()));
    const one = many[0]!;
    const key = (client: number, n: number): string => storageKey('', 'pods', 'default', `p-${client}-${n}`);
    const etcdOne: Write = (client, n) => etcdPut(one, key(client, n), value);
    const etcdMany: Write = (client, n) => etcdPut(many[client]!, key(client, n), value);
    const stored: Write = (client, n) =>
      store.txn([{ type: 'put', key: key(client, n), expected: 0, encode: () => value }]);

    const admin = await controlPlane.connect();
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => controlPlane.connectHttp1()));
    await createIfMissing(admin, '/api/v1/namespaces', { metadata: { name: 'default' } });
    await createIfMissing(admin, '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    const posted: Write = (client, n) => clients[client]!.post(PODS, podBody(client, n));
    const size = Buffer.byteLength(await clients[0]!.post(PODS, podBody(99, 0)));

    const rates = { one: [] as number[], many: [] as number[], store: [] as number[], post: [] as number[] };
    for (const write of [etcdOne, etcdMany, stored, posted]) await warmUp(write);
    for (let turn = 0; turn < TURNS; turn++) {
      rates.one.push(await measure(etcdOne, TURN_MS));
      rates.store.push(await measure(stored, TURN_MS));
      rates.many.push(await measure(etcdMany, TURN_MS));
      rates.post.push(await measure(posted, TURN_MS));
    }
    const baseline = Math.round(Math.max(median(rates.one), median(rates.many)));
    const row = (measure: string, value: number): BenchResult => ({
      measure,
      value: Math.round(value),
      unit: 'writes/s',
      baseline,
      ratio: Math.round((value / baseline) * 100) / 100,
      target: '>= 1.0 x etcd puts',
      ok: value >= baseline,
    });
    return [
      row(`durable put of ${VALUE_BYTES} bytes into the store, ${CLIENTS} clients in its process`, median(rates.store)),
      row(`durable POST of pods of ${size} bytes, ${CLIENTS} clients`, median(rates.post)),
    ];
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

let count = 0;

async function warmUp(write: Write): Promise<void> {
  const end = count + WARM_UP_WRITES;
  const client = async (_: unknown, id: number): Promise<void> => {
    while (count < end) await write(id, count++);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

/** Writes per second with all clients at work. */
async function measure(write: Write, ms: number): Promise<number> {
  const start = performance.now();
  let done = 0;
  const client = async (_: unknown, id: number): Promise<void> => {
    while (performance.now() - start < ms) {
      await write(id, count++);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return (done / (performance.now() - start)) * 1000;
}

async function createIfMissing(
  session: Parameters<typeof request>[0],
  path: string,
  object: { readonly metadata: { readonly name: string } },
): Promise<void> {
  const exists = await request(session, 'GET', `${path}/${object.metadata.name}`).then(
    () => true,
    () => false,
  );
  if (!exists) await request(session, 'POST', path, Buffer.from(JSON.stringify(object)));
}

/** A pod that is stored with about 1 kB. */
function podBody(client: number, n: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `p-${client}-${n}`, labels: { app: 'bench' } },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'busybox', command: ['sleep', '3600'] }],
    },
  });
}

if (import.meta.main) console.table(await run());
