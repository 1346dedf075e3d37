/**
 * Runs all tests, or those of the files and folders that are named: `npm test -- src/pki test/conformance`. `--soak` runs the long ones
 * longer. The last line is `N passed, N failed`. A file that crashes, hangs, or leaves something behind counts as a failure.
 */
import { chmodSync, existsSync, globSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { kernelState } from './testing/machine.ts';
import { processesWith } from './testing/processes.ts';
import { type FileResult, runTestFile } from './testing/test-file.ts';

const MINUTE = 60_000;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { soak: { type: 'boolean', default: false } },
});
if (values.soak) process.env['CAUSEWAY_SOAK'] = '1';
const factor = values.soak ? 12 : 1;
process.chdir(join(fileURLToPath(import.meta.url), '../..'));

const files = testFiles(positionals);
const folder = mkdtempSync(join(tmpdir(), 'cwt-'));
chmodSync(folder, 0o711); // pods run as other users
const before = kernelState();
/** What has been in the kernel since the end of which file. */
const firstSeen = new Map([...before].map((line) => [line, '']));
const stop = new AbortController();
const whole = setTimeout(() => stop.abort('the whole run took too long'), 25 * MINUTE * factor);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort(signal));

const results: FileResult[] = [];
const started = Date.now();
// Unit tests side by side. Those under test/ start whole clusters and measure time: one after the other.
const isUnit = (file: string) => !file.startsWith('test/') || file.startsWith('test/architecture/');
await runAll(files.filter(isUnit), Math.max(2, availableParallelism()), 6 * MINUTE * factor);
await runAll(
  files.filter((file) => !isUnit(file)),
  1,
  10 * MINUTE * factor,
);
clearTimeout(whole);
await summarise();

function testFiles(named: readonly string[]): string[] {
  const all = globSync(['src/**/*.test.ts', 'scripts/**/*.test.ts', 'test/**/*.test.ts']).sort();
  if (named.length === 0) return all;
  const wanted = named.map((name) => relative('.', name));
  for (const name of wanted) {
    if (existsSync(name)) continue;
    console.log(`${name} does not exist`);
    process.exit(1);
  }
  return all.filter((file) =>
    wanted.some((name) => file === name || (statSync(name).isDirectory() && file.startsWith(`${name}/`))),
  );
}

async function runAll(waiting: readonly string[], concurrency: number, timeoutMs: number): Promise<void> {
  const queue = waiting[Symbol.iterator]();
  const worker = async () => {
    for (const file of queue) {
      const own = join(folder, files.indexOf(file).toString(36));
      const result = await runTestFile(file, own, timeoutMs, stop.signal);
      results.push(result);
      show(result);
      for (const line of kernelState()) if (!firstSeen.has(line)) firstSeen.set(line, concurrency === 1 ? file : '');
      if (stop.signal.aborted) return;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

function show({ file, passed, skipped, failures, seconds, output }: FileResult): void {
  const counts = [`${passed} passed`];
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  if (failures.length > 0) counts.push(`${failures.length} failed`);
  console.log(`${failures.length > 0 ? 'FAILED' : 'ok    '} ${file}: ${counts.join(', ')} (${seconds.toFixed(1)} s)`);
  for (const name of skipped) console.log(`       skipped: ${name}`);
  for (const { name, why } of failures) console.log(indent(`${name}\n${indent(why)}`));
  if (failures.length > 0 && output.trim() !== '') console.log(indent(`it printed:\n${indent(output.trimEnd())}`));
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}

/** Without the stack, in a line. */
function firstOf(why: string): string {
  return (why.split(/\n\s+at /)[0] ?? '').replaceAll(/\s+/g, ' ').slice(0, 200);
}

/** What clusters left in the kernel. Those of another run on the same machine cannot be told from ours while it goes on. */
async function kernelLeftovers(): Promise<string[]> {
  const now = () => [...kernelState()].filter((line) => !before.has(line));
  for (let i = 0; i < 20 && now().length > 0; i++) await sleep(100);
  const others = processesWith('CAUSEWAY_TEST_FOLDER=', 'cli/main.ts', 'cli/main.js').length > 0;
  if (!others) return now();
  for (const line of now()) console.log(`not ours, or not to be told: ${line} (another causeway runs on this machine)`);
  return [];
}

async function summarise(): Promise<void> {
  const left = await kernelLeftovers();
  const since = (line: string) => (firstSeen.get(line) ? `, since ${firstSeen.get(line)}` : '');
  for (const line of left) console.log(`FAILED left behind: ${line}${since(line)}`);
  const failedFiles = results.filter(({ failures }) => failures.length > 0);
  if (failedFiles.length > 0) console.log('\nfailed:');
  for (const { file, failures } of failedFiles)
    for (const { name, why } of failures) console.log(`  ${file}${name === file ? '' : `: ${name}`}: ${firstOf(why)}`);
  if (files.length > results.length) console.log(`\n${files.length - results.length} files did not run`);
  try {
    rmdirSync(folder);
  } catch {
    console.log(`not removed, for something is in it: ${folder}`);
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce(
    (sum, { failures }) => sum + failures.length,
    left.length + files.length - results.length,
  );
  console.log(`\n${files.length} files in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
