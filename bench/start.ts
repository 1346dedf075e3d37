/**
 * `up` of the built package, from the command to "ready": a first start on an empty directory and later starts on the same one; and what
 * the process holds in memory when nothing is asked of it.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from './median.ts';
import { builtCommand } from './package.ts';
import type { BenchResult } from './result.ts';

const STARTS = 5;
const IDLE_MS = 5_000;

export async function run(): Promise<BenchResult[]> {
  const work = await mkdtemp(join(tmpdir(), 'causeway-bench-'));
  try {
    const main = await builtCommand(work);
    const first: number[] = [];
    const later: number[] = [];
    const memory: number[] = [];
    for (let i = 0; i < STARTS; i++) {
      const directory = join(work, `data-${i}`);
      first.push((await start(main, directory, 0)).seconds);
      const again = await start(main, directory, i === 0 ? IDLE_MS : 0);
      later.push(again.seconds);
      if (i === 0) memory.push(again.megabytes);
    }
    const seconds = (measure: string, values: number[]): BenchResult => {
      const value = Math.round(median(values) * 100) / 100;
      return { measure, value, unit: 's', target: '<= 1.0 s', ok: value <= 1 };
    };
    const megabytes = Math.round(memory[0] ?? 0);
    return [
      seconds('up of the built package, first start, command to Ready (median of 5)', first),
      seconds('up of the built package, later start, command to Ready (median of 5)', later),
      {
        measure: 'resident memory of it all, idle',
        value: megabytes,
        unit: 'MB',
        target: '<= 150 MB',
        ok: megabytes <= 150,
      },
    ];
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function start(main: string, directory: string, idleMs: number): Promise<{ seconds: number; megabytes: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(process.execPath, [main, 'up', '--data-dir', directory, '--secure-port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    let result: { seconds: number; megabytes: number } | undefined;
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (result !== undefined || !/^ready after /m.test(text)) return;
      const seconds = (performance.now() - began) / 1000;
      result = { seconds, megabytes: 0 };
      setTimeout(() => {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        result = { seconds, megabytes: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1000 };
        child.kill('SIGTERM');
      }, idleMs);
    });
    child.once('exit', (code) => {
      if (result === undefined) reject(new Error(`up ended with ${code}: ${text}`));
      else resolve(result);
    });
  });
}
