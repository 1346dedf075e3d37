/**
 * One change to 1,000 watchers, from the moment its writer sends it until the last watcher has it: through the whole apiserver, over TLS 1.3
 * and HTTP/2. The watchers are spread over 100 connections of a process of their own, which also writes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request, startBenchControlPlane } from './control-plane.ts';
import type { BenchResult } from './result.ts';

const WATCHERS = 1_000;
const CONNECTIONS = 100;
const CHANGES = 50;
const WARM_UP = 5;
const TARGET_MS = 100;
const CONFIG_MAPS = '/api/v1/namespaces/bench/configmaps';

export async function run(): Promise<BenchResult[]> {
  const root = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  const controlPlane = await startBenchControlPlane(join(root, 'cluster'));
  try {
    const sessions: ClientHttp2Session[] = [];
    for (let i = 0; i < CONNECTIONS; i++) sessions.push(await controlPlane.connect());
    const writer = await controlPlane.connect();
    const object = (change: number): Buffer =>
      Buffer.from(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'shared' },
          data: { change: `#${change}#`, filler: 'x'.repeat(700) },
        }),
      );
    await request(writer, 'POST', '/api/v1/namespaces', Buffer.from('{"metadata":{"name":"bench"}}'));
    await request(writer, 'POST', CONFIG_MAPS, object(0));

    let arrived: (change: number) => void = () => undefined;
    for (let i = 0; i < WATCHERS; i++) await watch(sessions[i % CONNECTIONS]!, (change) => arrived(change));

    const deliveries: number[] = [];
    const complete: number[] = [];
    for (let change = 1; change <= WARM_UP + CHANGES; change++) {
      const start = performance.now();
      let left = WATCHERS;
      const all = new Promise<void>((resolve) => {
        arrived = (seen) => {
          if (seen !== change) return;
          if (change > WARM_UP) deliveries.push(performance.now() - start);
          left -= 1;
          if (left === 0) resolve();
        };
      });
      await request(writer, 'PUT', `${CONFIG_MAPS}/shared`, object(change));
      await all;
      if (change > WARM_UP) complete.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const row = (measure: string, values: number[], part: number): BenchResult => {
      const value = Math.round(quantile(values, part) * 10) / 10;
      return { measure, value, unit: 'ms', target: `<= ${TARGET_MS} ms`, ok: value <= TARGET_MS };
    };
    const what = `one change to ${WATCHERS} watchers on ${CONNECTIONS} connections`;
    return [
      row(`${what}: p99 of the deliveries`, deliveries, 0.99),
      row(`${what}: p99 until all have it`, complete, 0.99),
    ];
  } finally {
    await controlPlane.stop();
    await rm(root, { recursive: true });
  }
}

/** Resolves when the watch is open; then calls `seen` for each change. */
function watch(session: ClientHttp2Session, seen: (change: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'GET', ':path': `${CONFIG_MAPS}?watch=1` });
    let rest = '';
    stream.on('error', reject);
    stream.on('data', (chunk: Buffer) => {
      rest += chunk.toString('latin1');
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const change = Number(/"#(\d+)#"/.exec(rest.slice(0, end))?.[1]);
        rest = rest.slice(end + 1);
        // The first event is the present state.
        resolve();
        seen(change);
      }
    });
  });
}

function quantile(values: number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

if (import.meta.main) console.table(await run());
