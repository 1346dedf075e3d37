/** Puts `bench/results/latest.json` into README.md, as a table between its two comments. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from '../bench/result.ts';

interface Report {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly results: readonly BenchResult[];
}

const root = join(fileURLToPath(import.meta.url), '../..');
const readme = join(root, 'README.md');
const { date, machine, node, results } = JSON.parse(
  readFileSync(join(root, 'bench/results/latest.json'), 'utf8'),
) as Report;

const rows = results.map(({ measure, value, unit, baseline, ratio, target, ok }) => {
  const compared = baseline === undefined ? '' : `${baseline} ${unit}`;
  return `| ${measure} | ${value} ${unit} | ${compared} | ${ratio ?? ''} | ${target}${ok ? '' : ', **missed**'} |`;
});
const table = [
  '| measure | Causeway | compared with | ratio | goal |',
  '| --- | --- | --- | --- | --- |',
  ...rows,
].join('\n');
const text = readFileSync(readme, 'utf8');
const between = /(<!-- speed: [^\n]*-->\n)[\s\S]*?(<!-- \/speed -->)/;
if (!between.test(text)) throw new Error('README.md has no place for the table');
writeFileSync(
  readme,
  text.replace(
    between,
    (_, start: string, end: string) => `${start}\n${table}\n\n${date}, ${machine}, Node ${node}.\n\n${end}`,
  ),
);
