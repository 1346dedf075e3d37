/**
 * A node that joins: from its command to Ready, with the built package, on the same machine as its server; what its agent holds in memory when nothing
 * is asked of it; and how long a pod takes from its creation to Running on it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Pod } from '../src/api/generated/types.ts';
import { kubeconfigClient } from '../src/client/kubeconfig-client.ts';
import { PODS } from '../src/client/resources.ts';
import type { RestClient } from '../src/client/rest-client.ts';
import { readKubeconfig } from '../src/pki/read-kubeconfig.ts';
import { shellPod, WAIT } from '../test/support/pods.ts';
import { median } from './median.ts';
import { builtCommand } from './package.ts';
import type { BenchResult } from './result.ts';

const JOINS = 5;
const PODS_MADE = 20;
const IDLE_MS = 10_000;

export async function run(): Promise<BenchResult[]> {
  const work = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  const children: ChildProcess[] = [];
  try {
    const main = await builtCommand(work);
    const started = async (...args: string[]): Promise<{ child: ChildProcess; seconds: number }> => {
      const began = performance.now();
      const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      await until(child, /\bready after /);
      return { child, seconds: (performance.now() - began) / 1000 };
    };
    const data = join(work, 'server');
    await started('server', '--data-dir', data, '--secure-port', '0', '--bind-address', '127.0.0.1');
    const joins: number[] = [];
    let agent: ChildProcess | undefined;
    for (let i = 0; i < JOINS; i++) {
      const token = ['token', 'create', '--print-join-command', '--data-dir', data];
      const { stdout } = await promisify(execFile)(process.execPath, [main, ...token]);
      const own = [
        // Its pods end with it, also where this fails.
        '--shutdown-grace-period',
        '1s',
        '--node-name',
        `n${i}`,
        '--node-ip',
        '127.0.0.1',
        '--port',
        '0',
        '--data-dir',
        join(work, `node-${i}`),
      ];
      const node = await started(...stdout.trim().split(' ').slice(1), ...own);
      joins.push(node.seconds);
      if (i < JOINS - 1) await stop(node.child);
      else agent = node.child;
    }
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const status = readFileSync(`/proc/${agent?.pid}/status`, 'utf8');
    const megabytes = Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1000);
    const client = kubeconfigClient(await readKubeconfig(join(data, 'admin.kubeconfig')), 'bench');
    const pods: number[] = [];
    for (let i = 0; i < PODS_MADE; i++) pods.push(await createPod(client, i));
    client.close();
    const seconds = (measure: string, values: number[], most: number): BenchResult => {
      const value = Math.round(median(values) * 1000) / 1000;
      return { measure, value, unit: 's', target: `<= ${most} s`, ok: value <= most };
    };
    return [
      seconds(`a node joins, command to Ready (median of ${JOINS})`, joins, 2),
      {
        measure: 'resident memory of a node agent, idle',
        value: megabytes,
        unit: 'MB',
        target: '<= 80 MB',
        ok: megabytes <= 80,
      },
      seconds(`pod created to Running, processes (median of ${PODS_MADE})`, pods, 0.4),
    ];
  } finally {
    for (const child of children.reverse()) await stop(child);
    await rm(work, { recursive: true, force: true });
  }
}

/** Seconds from the request to the event that says Running; then the pod is removed. */
async function createPod(client: RestClient, index: number): Promise<number> {
  const name = `p${index}`;
  const abort = new AbortController();
  const began = performance.now();
  const pod = await client.create(PODS, {
    ...shellPod(name, WAIT, { spec: { nodeName: `n${JOINS - 1}` } }),
    metadata: { namespace: 'default', name },
  } as Pod);
  const resourceVersion = pod.metadata.resourceVersion ?? '';
  const query = { namespace: 'default', fieldSelector: `metadata.name=${name}`, resourceVersion };
  let seconds = Number.NaN;
  for await (const { object } of client.watch(PODS, query, abort.signal)) {
    if ((object as Pod).status?.phase !== 'Running') continue;
    seconds = (performance.now() - began) / 1000;
    break;
  }
  abort.abort();
  await client.delete(PODS, 'default', name, { gracePeriodSeconds: 0 });
  return seconds;
}

function until(child: ChildProcess, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (pattern.test(text)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${text}`)));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

if (import.meta.main) console.table(await run());
