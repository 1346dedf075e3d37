/** `npm run bench [NAME …]`: runs the benchmarks one after the other, prints a table, and writes `bench/results/latest.json`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from './result.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const BENCHES: Readonly<Record<string, () => Promise<{ run(): Promise<BenchResult[]> }>>> = {
  reads: () => import('./reads.ts'),
  storage: () => import('./storage.ts'),
  watch: () => import('./watch.ts'),
  nodes: () => import('./nodes.ts'),
  streams: () => import('./streams.ts'),
  logs: () => import('./logs.ts'),
  start: () => import('./start.ts'),
  join: () => import('./join.ts'),
};

interface Report {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly results: readonly BenchResult[];
}

const asked = process.argv.slice(2);
for (const name of asked)
  if (!(name in BENCHES)) throw new Error(`no benchmark ${name}: ${Object.keys(BENCHES).join(', ')}`);
const names = asked.length > 0 ? asked : Object.keys(BENCHES);

const byMeasure = new Map<string, BenchResult>();
const file = join(here, 'results', 'latest.json');
if (asked.length > 0) {
  const known = await readFile(file, 'utf8').catch(() => '{"results":[]}');
  for (const result of (JSON.parse(known) as Report).results) byMeasure.set(result.measure, result);
}
const measured: BenchResult[] = [];
for (const name of names) {
  console.log(`measuring: ${name}`);
  const { run } = await BENCHES[name]!();
  measured.push(...(await run()));
}
for (const result of measured) byMeasure.set(result.measure, result);

console.table(
  measured.map((r) => ({
    measure: r.measure,
    value: `${r.value} ${r.unit}`,
    baseline: r.baseline === undefined ? '' : `${r.baseline} ${r.unit}`,
    ratio: r.ratio ?? '',
    target: r.target,
    met: r.ok ? 'yes' : 'NO',
  })),
);
const report: Report = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
  node: process.version,
  results: [...byMeasure.values()],
};
await mkdir(join(here, 'results'), { recursive: true });
await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
