import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Background } from './background.ts';
import { endCluster } from './end-cluster.ts';
import { type CommandOptions, type CommandResult, run } from './run.ts';
import { Terminal, type TerminalOptions } from './terminal.ts';

const root = join(fileURLToPath(new URL('.', import.meta.url)), '..', '..');
const MAIN = join(root, 'src/cli/main.ts');
const TOOLS = join(root, '.tools/bin');
const READY_TIMEOUT_MS = 60_000;
/** Milliseconds for a cluster to end, its pods' grace periods included. */
const STOP_TIMEOUT_MS = 90_000;

/** By data directory: who goes on with one takes the place of who had it. */
const unstopped = new Map<string, TestCluster>();

// A test that fails in the middle leaves its clusters to this. Benches start clusters too, and have no hooks.
if (/\.test\.[jt]s$/.test(process.argv[1] ?? '')) {
  after(async () => {
    const stops = await Promise.allSettled([...unstopped.values()].map((cluster) => cluster.stop()));
    for (const stop of stops) if (stop.status === 'rejected') throw stop.reason;
  });
}

export type KubectlVersion = '1.35' | '1.20';

/** The program of a kubectl version; the tests fail, and do not skip, when it is missing. */
export function kubectlPath(version: KubectlVersion): string {
  const path = join(TOOLS, version === '1.35' ? 'kubectl' : 'kubectl-1.20');
  if (!existsSync(path)) throw new Error(`${path} is missing: run the tests with npm test, which installs it`);
  return path;
}

export interface TestCluster {
  readonly dataDirectory: string;
  readonly kubeconfig: string;
  readonly url: string;
  readonly process: ChildProcess;
  /** Its node runs as root: pods have users and networks of their own. */
  readonly isRoot: boolean;
  /** Its node can limit memory and processor time. */
  readonly hasLimits: boolean;
  /** Everything that `causeway up` printed so far. */
  output(): string;
  /** kubectl with the admin's credentials. */
  kubectl(
    args: readonly string[],
    options?: CommandOptions & { readonly version?: KubectlVersion },
  ): Promise<CommandResult>;
  /** The same; fails unless kubectl succeeds, and answers what it printed. */
  ok(args: readonly string[], options?: CommandOptions & { readonly version?: KubectlVersion }): Promise<string>;
  /** The same with `-o json`, parsed. */
  json<T>(args: readonly string[]): Promise<T>;
  /** `kubectl create -f -` with an object, or several. */
  create(...objects: readonly object[]): Promise<void>;
  /** What kubectl said when it refused, exactly; fails when it did not. */
  refused(args: readonly string[], options?: CommandOptions & { readonly version?: KubectlVersion }): Promise<string>;
  /** A kubectl that goes on: the caller ends it. */
  spawn(args: readonly string[], version?: KubectlVersion): ChildProcess;
  /** A kubectl that goes on, with what it has printed so far. */
  background(args: readonly string[], version?: KubectlVersion): Background;
  /** A kubectl in a pseudo-terminal. */
  terminal(args: readonly string[], options?: TerminalOptions): Terminal;
  /** Asks `check` until it answers something, and fails with `what` when it never does. */
  until<T>(what: string, check: () => Promise<T | undefined | false | ''>, timeoutMs?: number): Promise<T>;
  /** SIGTERM; answers the exit code. The data stays. */
  terminate(): Promise<number | null>;
  /** SIGTERM if it still runs; ends kubectls that go on, and pods that live on because the cluster was killed; then removes the data. */
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** More flags of `causeway up`. */
  readonly flags?: readonly string[];
  /** Where the data is kept: an existing directory to go on with, or one that is to be made. */
  readonly dataDirectory?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What runs: default this checkout's own command. */
  readonly command?: readonly [program: string, ...args: string[]];
}

/** Runs the `causeway` command of this checkout to its end. */
export function causeway(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return run(process.execPath, [MAIN, ...args], options);
}

/** Starts `causeway up` on a free port with a temporary data directory, and waits until it says that it is ready. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'causeway-test-')));
  const [program, ...before] = options.command ?? [process.execPath, MAIN];
  const flags = ['up', '--data-dir', dataDirectory, '--secure-port', '0', ...(options.flags ?? [])];
  const child = spawn(program, [...before, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${TOOLS}:${process.env['PATH'] ?? ''}`, ...options.env },
  });
  let text = '';
  const ready = Promise.withResolvers<void>();
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      resolve(code);
      ready.reject(new Error(`causeway up ended with ${code}:\n${text}`));
    });
  });
  const timer = setTimeout(() => ready.reject(new Error(`causeway up is not ready:\n${text}`)), READY_TIMEOUT_MS);
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (/^ready after /m.test(text)) ready.resolve();
    });
  }
  try {
    await ready.promise;
  } catch (error) {
    await ended(child, exited, () => text);
    // Whoever names a directory goes on with it.
    if (options.dataDirectory === undefined) {
      await endCluster(dataDirectory);
      await rm(dataDirectory, { recursive: true, force: true });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const kubeconfig = join(dataDirectory, 'admin.kubeconfig');
  // kubectl caches what it discovers in its home; the data directory is not the place for it.
  const home = await mkdtemp(join(tmpdir(), 'causeway-test-home-'));
  const abandoned = (): void => {
    child.kill('SIGTERM');
  };
  process.once('exit', abandoned);
  const terminate = async (): Promise<number | null> => {
    const code = await ended(child, exited, () => text);
    process.removeListener('exit', abandoned);
    await rm(home, { recursive: true, force: true });
    return code;
  };
  const environment = { KUBECONFIG: kubeconfig, HOME: home };
  const kubectl: TestCluster['kubectl'] = (args, { version = '1.35', ...rest } = {}) =>
    run(kubectlPath(version), args, { ...rest, env: { ...environment, ...rest.env } });
  const ok: TestCluster['ok'] = async (args, rest) => {
    const result = await kubectl(args, rest);
    if (result.code === 0) return result.stdout;
    throw new Error(`kubectl ${args.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}\n${text}`);
  };
  const kubectls = new Set<() => void>();
  const spawned: TestCluster['spawn'] = (args, version = '1.35') => {
    const started = spawn(kubectlPath(version), args, {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    kubectls.add(() => started.kill('SIGKILL'));
    return started;
  };
  const cluster: TestCluster = {
    dataDirectory,
    kubeconfig,
    url: /^control plane: (\S+)/m.exec(text)?.[1] ?? '',
    process: child,
    isRoot: process.getuid?.() === 0,
    hasLimits: !text.includes('no cgroups'),
    output: () => text,
    kubectl,
    ok,
    json: async <T>(args: readonly string[]) => JSON.parse(await ok([...args, '-o', 'json'])) as T,
    create: async (...objects) => {
      const list = { apiVersion: 'v1', kind: 'List', items: objects };
      await ok(['create', '-f', '-'], { stdin: JSON.stringify(list) });
    },
    refused: async (args, rest) => {
      const { code, stdout, stderr } = await kubectl(args, rest);
      if (code !== 0 && code !== null) return stderr.trim();
      throw new Error(`kubectl ${args.join(' ')} was not refused (${code}):\n${stdout}${stderr}`);
    },
    spawn: spawned,
    background: (args, version) => new Background(spawned(args, version), `kubectl ${args.join(' ')}`),
    terminal: (args, options = {}) => {
      const path = kubectlPath(options.version ?? '1.35');
      const terminal = new Terminal(path, args, { ...process.env, ...environment }, options);
      kubectls.add(() => terminal.kill());
      return terminal;
    },
    until: async <T>(what: string, check: () => Promise<T | undefined | false | ''>, timeoutMs = 20_000) => {
      const end = Date.now() + timeoutMs;
      for (;;) {
        const found = await check();
        if (found !== undefined && found !== false && found !== '') return found as T;
        if (Date.now() > end) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}\n${text}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    terminate,
    stop: async () => {
      unstopped.delete(dataDirectory);
      try {
        if ((await terminate()) !== 0) await endCluster(dataDirectory);
      } finally {
        for (const kill of kubectls) kill();
        await rm(dataDirectory, { recursive: true, force: true });
      }
    },
  };
  unstopped.set(dataDirectory, cluster);
  return cluster;
}

/** Ends `causeway up`; the exit code, `null` when a signal ended it. One that does not end is killed, and that is a failure. */
async function ended(
  child: ChildProcess,
  exited: Promise<number | null>,
  output: () => string,
): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, STOP_TIMEOUT_MS, 'late');
  });
  const code = await Promise.race([exited, late]);
  clearTimeout(timer);
  if (code !== 'late') return code;
  child.kill('SIGKILL');
  await exited;
  throw new Error(`causeway did not end within ${STOP_TIMEOUT_MS / 1000} s:\n${output()}`);
}
