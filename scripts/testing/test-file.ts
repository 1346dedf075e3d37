import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IDLE_VARIABLE, type Line, STILL_OPEN } from './events.ts';
import { mounts } from './machine.ts';
import { endLeftovers } from './processes.ts';

export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly skipped: readonly string[];
  readonly failures: readonly { readonly name: string; readonly why: string }[];
  readonly seconds: number;
  /** What the file printed, its last part. */
  readonly output: string;
}

/** Kept of what a file prints. */
const OUTPUT_LIMIT = 64 * 1024;
/** Milliseconds for a file that takes too long to end in order: what it started is told to end with it. */
const END_MS = 3_000;
/** Milliseconds without a test after which a file is not waited for any longer. */
const IDLE_MS = 120_000;
const REPORTER = fileURLToPath(new URL('./events.ts', import.meta.url));

/**
 * Runs one test file in a process of its own, with a home and a temporary folder of its own below `folder`, and looks afterwards whether it
 * left a process, a file or a mount behind. A file that crashes, hangs or has no test fails.
 */
export async function runTestFile(
  file: string,
  folder: string,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<FileResult> {
  const started = Date.now();
  const home = join(folder, 'h');
  const temporary = join(folder, 't');
  const events = join(folder, 'events');
  mkdirSync(home, { recursive: true });
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777); // as /tmp is: some tests run as another user
  const { reason, output: printed } = await spawnFile(file, { home, temporary, events, timeoutMs, stop });
  const lines = readLines(events);
  // What has the name of the file is a hook outside of every suite.
  const nameOf = (name: string) => (resolve(name) === resolve(file) ? file : name);
  const failures = lines.flatMap((line) => (line.type === 'fail' ? [{ name: nameOf(line.name), why: line.why }] : []));
  const passed = lines.filter((line) => line.type === 'pass').length;
  const skipped = lines.flatMap((line) => (line.type === 'skip' ? [line.name] : []));
  const notes = lines.flatMap((line) => (line.type === 'note' ? [`${line.text}\n`] : []));
  const output = printed + notes.join('');
  const fail = (why: string) => failures.push({ name: file, why });

  if (reason !== undefined) {
    if (failures.length === 0 || !reason.startsWith('exit code')) fail(`${reason}${whereabouts(lines)}`);
  } else if (!lines.some((line) => line.type === 'end'))
    fail(`the process ended before its tests did${lines.length > 0 ? whereabouts(lines) : ''}`);
  else if (passed + failures.length + skipped.length === 0) fail('there is no test in this file');
  const left = await endLeftovers(`CAUSEWAY_TEST_FOLDER=${folder}\0`, `${folder}/`);
  if (left.length > 0) fail(`left processes behind:${left.map(({ pid, command }) => `\n${pid} ${command}`).join('')}`);
  for (const why of cleanUp(folder, temporary)) fail(why);
  return { file, passed, skipped, failures, seconds: (Date.now() - started) / 1000, output };
}

/** How far a file had come that did not end as it should. */
function whereabouts(lines: readonly Line[]): string {
  if (lines.some((line) => line.type === 'end')) return '';
  const under = new Map<string, string>();
  for (const line of lines) {
    if (line.type === 'begin') under.set(line.id, line.name);
    else if ('id' in line) under.delete(line.id);
  }
  if (under.size > 0) return `, in the middle of: ${[...under.values()].join(' > ')}`;
  return lines.some((line) => line.type === 'begin') ? ', after its last test' : ', before its first test';
}

interface Run {
  readonly home: string;
  readonly temporary: string;
  readonly events: string;
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}

/** `reason` says why the process did not end well. */
function spawnFile(file: string, run: Run): Promise<{ reason: string | undefined; output: string }> {
  return new Promise((resolve) => {
    const args = [`--test-reporter=${REPORTER}`, `--test-reporter-destination=${run.events}`, file];
    // A process group of its own: what hangs is killed as a whole.
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment(run),
    });
    let output = '';
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-OUTPUT_LIMIT);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep);

    let ended: string | undefined;
    const end = (why: string) => {
      if (ended !== undefined || child.pid === undefined) return;
      ended = why;
      process.kill(-child.pid, 'SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), END_MS).unref();
    };
    const onStop = () => end(`stopped: ${String(run.stop.reason)}`);
    const timer = setTimeout(() => end(`did not end within ${run.timeoutMs / 1000} s`), run.timeoutMs);
    run.stop.addEventListener('abort', onStop);
    if (run.stop.aborted) onStop();
    child.once('error', (error) => resolve({ reason: error.message, output }));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      run.stop.removeEventListener('abort', onStop);
      // A grandchild may hold the pipes open; what it is, is found out later.
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ reason: ended ?? outcome(code, signal), output });
      }, 20);
    });
  });
}

function outcome(code: number | null, signal: string | null): string | undefined {
  if (signal !== null) return `killed by ${signal}`;
  if (code === STILL_OPEN) return 'did not end by itself';
  return code === 0 ? undefined : `exit code ${code}`;
}

function environment({ home, temporary, timeoutMs }: Run): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    HOME: home,
    TMPDIR: temporary,
    // npm goes on with the person's own settings and cache.
    npm_config_userconfig: process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc'),
    npm_config_cache: process.env['npm_config_cache'] ?? join(homedir(), '.npm'),
    CAUSEWAY_TEST_FOLDER: join(home, '..'),
    [IDLE_VARIABLE]: String(Math.min(IDLE_MS, timeoutMs / 3)),
  };
  // What a person has set for a cluster of their own.
  for (const name of Object.keys(env)) if (/^(KUBE|XDG_|NODE_OPTIONS$|NODE_TEST_CONTEXT$)/.test(name)) delete env[name];
  return env;
}

function readLines(path: string): Line[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Line);
  } catch {
    return [];
  }
}

/** Never removes a folder in which something is mounted: it could be the machine's own. */
function cleanUp(folder: string, temporary: string): string[] {
  const mounted = mounts().filter((path) => path.startsWith(`${folder}/`));
  const left = readdirSync(temporary).map((name) => `left in the temporary folder: ${name}`);
  if (mounted.length > 0) return [...left, ...mounted.map((path) => `left mounted, and not removed: ${path}`)];
  rmSync(folder, { recursive: true, force: true });
  return left;
}
