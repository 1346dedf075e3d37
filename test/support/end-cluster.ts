import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { processesWith } from '../../scripts/testing/processes.ts';
import { bridgeOf, cgroupsOf, leftovers, linksOf, tablesOf } from './leftovers.ts';
import { run } from './run.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const START_MS = 30_000;
const STOP_MS = 30_000;

/**
 * Ends what still runs of a cluster whose process is gone: killed, its pods live on. First in the cluster's own way, by a start and a stop; then
 * by what is found on the machine, for the test that failed may have found out that the cluster's own way is broken.
 */
export async function endCluster(dataDirectory: string): Promise<void> {
  if (!existsSync(dataDirectory) || (await leftovers(dataDirectory)).length === 0) return;
  await startAndStop(dataDirectory);
  for (let round = 0; round < 20 && (await leftovers(dataDirectory)).length > 0; round++) {
    await endByForce(dataDirectory);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function startAndStop(dataDirectory: string): Promise<void> {
  const child = spawn(process.execPath, [MAIN, 'up', '--data-dir', dataDirectory, '--secure-port', '0'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ready = new Promise<void>((resolve) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (/^ready after /m.test(text)) resolve();
    });
  });
  await atMost(START_MS, Promise.race([ready, exited]));
  // The second one says that pods shall end at once.
  for (let i = 0; i < 2; i++) {
    child.kill('SIGTERM');
    await atMost(500, exited);
  }
  await atMost(STOP_MS, exited);
  child.kill('SIGKILL');
  await exited;
}

async function atMost(ms: number, what: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    what,
    new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}

async function endByForce(dataDirectory: string): Promise<void> {
  const bridge = await bridgeOf(dataDirectory);
  const groups = await cgroupsOf(dataDirectory);
  for (const pid of await members(dataDirectory, groups)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended just now.
    }
  }
  for (const link of (await linksOf(bridge)).reverse())
    await run('ip', ['link', 'del', 'dev', link]).catch(() => undefined);
  for (const table of await tablesOf(bridge)) await run('nft', ['delete', ...table.split(' ')]).catch(() => undefined);
  // What is deepest goes first.
  for (const group of groups.sort().reverse()) await rmdir(group).catch(() => undefined);
}

/** What bears the cluster's marks, and what is in its control groups. */
async function members(dataDirectory: string, groups: readonly string[]): Promise<number[]> {
  const found = new Set(processesWith(`${dataDirectory}/`).map(({ pid }) => pid));
  for (const group of groups) {
    const pids = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const pid of pids.split('\n')) if (pid !== '') found.add(Number(pid));
  }
  return [...found];
}
