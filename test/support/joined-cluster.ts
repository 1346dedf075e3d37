import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Background } from './background.ts';
import { kubectlPath } from './cluster.ts';
import { endCluster } from './end-cluster.ts';
import { type CommandOptions, type CommandResult, run } from './run.ts';
import type { TestNetwork } from './test-network.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const TOOLS = join(import.meta.dirname, '../../.tools/bin');
const READY_MS = 60_000;
/** Pods end within their grace periods. */
const END_MS = 60_000;

/** A node that joined, as a process of its own. */
export interface JoinedNode {
  readonly name: string;
  readonly host: string;
  readonly dataDirectory: string;
  /** `causeway node`, as it runs now. */
  process: Background;
  /** The address and port of its kubelet. */
  readonly kubelet: string;
}

/** A `causeway server` and the nodes that joined it, each a process: on hosts of their own where there is a network, otherwise on loopback. */
export class JoinedCluster {
  readonly nodes = new Map<string, JoinedNode>();
  readonly #folder: string;
  readonly #network: TestNetwork | undefined;
  #server: Background | undefined;
  #url = '';

  private constructor(folder: string, network: TestNetwork | undefined) {
    this.#folder = folder;
    this.#network = network;
  }

  static async start(network?: TestNetwork): Promise<JoinedCluster> {
    const cluster = new JoinedCluster(await mkdtemp(join(tmpdir(), 'causeway-test-')), network);
    try {
      await cluster.startServer();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get url(): string {
    return this.#url;
  }

  get serverDirectory(): string {
    return join(this.#folder, 'server');
  }

  get server(): Background {
    if (this.#server === undefined) throw new Error('there is no server');
    return this.#server;
  }

  /** Starts it, or starts it again where it was. */
  async startServer(): Promise<void> {
    const port = this.#url === '' ? (this.#network === undefined ? '0' : '6443') : new URL(this.#url).port;
    const bind = this.#network === undefined ? ['--bind-address', '127.0.0.1'] : [];
    const flags = ['server', '--data-dir', this.serverDirectory, '--secure-port', port, ...bind];
    this.#server = this.background('server', process.execPath, MAIN, ...flags);
    await this.#server.until(/^ready after /m, READY_MS);
    const [, listening = ''] = /^control plane: (\S+)/m.exec(this.#server.stdout) ?? [];
    const address = this.#network?.address('server') ?? '127.0.0.1';
    this.#url = `https://${address}:${new URL(listening).port}`;
  }

  /** A command on a host, with the environment of who administers the cluster. */
  background(host: string, program: string, ...args: readonly string[]): Background {
    const [first, ...rest] = this.#network?.on(host, program, ...args) ?? [program, ...args];
    const env = { ...process.env, ...this.#environment() };
    return new Background(spawn(first, rest, { env, stdio: ['pipe', 'pipe', 'pipe'] }), `${program} ${args.join(' ')}`);
  }

  run(host: string, program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const [first, ...rest] = this.#network?.on(host, program, ...args) ?? [program, ...args];
    return run(first, rest, { ...options, env: { ...this.#environment(), ...options.env } });
  }

  kubectl(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return this.run('server', kubectlPath('1.35'), args, options);
  }

  /** Fails unless kubectl succeeds. */
  async ok(args: readonly string[], options?: CommandOptions): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, options);
    assert.equal(code, 0, `kubectl ${args.join(' ')}:\n${stdout}${stderr}\n${this.logs()}`);
    return stdout;
  }

  async json<T>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok([...args, '-o', 'json'])) as T;
  }

  async create(...objects: readonly object[]): Promise<void> {
    await this.ok(['create', '-f', '-'], { stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) });
  }

  /** What `causeway token create --print-join-command` prints, without the word `causeway`. */
  async joinCommand(...flags: readonly string[]): Promise<string[]> {
    const create = ['token', 'create', '--data-dir', this.serverDirectory, '--print-join-command', ...flags];
    const { code, stdout, stderr } = await this.run('server', process.execPath, [MAIN, ...create]);
    assert.equal(code, 0, stdout + stderr);
    const [program, ...args] = stdout.trim().split(' ');
    assert.equal(program, 'causeway');
    return args;
  }

  nodeDirectory(name: string): string {
    return join(this.#folder, name);
  }

  /** Joins with the printed command; resolves when it says that it is ready. */
  async join(name: string, ...flags: readonly string[]): Promise<JoinedNode> {
    return this.startNode(name, [...(await this.joinCommand()), '--node-name', name, ...flags]);
  }

  /** Starts a node on the host of its name. Without a command: again, as one that has joined. */
  async startNode(name: string, command: readonly string[] = ['node']): Promise<JoinedNode> {
    const process = this.spawnNode(name, command);
    const [, address = '', port = ''] = await process.until(
      /^node \S+: ready after \S+ s, at (\S+), port (\d+)$/m,
      READY_MS,
    );
    const node = { name, host: name, dataDirectory: this.nodeDirectory(name), process, kubelet: `${address}:${port}` };
    this.nodes.set(name, node);
    return node;
  }

  /** The same without waiting: it may not become ready. */
  spawnNode(name: string, command: readonly string[], host = name): Background {
    const port = this.#network === undefined ? ['--port', '0'] : [];
    return this.background(host, process.execPath, MAIN, ...command, '--data-dir', this.nodeDirectory(name), ...port);
  }

  async until<T>(what: string, check: () => Promise<T | undefined | false | ''>, timeoutMs = 20_000): Promise<T> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const found = await check();
      if (found !== undefined && found !== false && found !== '') return found as T;
      if (Date.now() > end) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}\n${this.logs()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What all processes have printed. */
  logs(): string {
    const all = [
      ['server', this.#server] as const,
      ...[...this.nodes].map(([n, { process }]) => [n, process] as const),
    ];
    return all.map(([name, one]) => `--- ${name}\n${one?.stdout ?? ''}${one?.stderr ?? ''}`).join('\n');
  }

  /** Ends the nodes with their pods, then the server, and removes everything. */
  async stop(): Promise<void> {
    try {
      const running = [...this.nodes.values()].filter(({ process }) => process.child.exitCode === null);
      const names = running.map(({ name }) => name);
      if (names.length > 0) await this.kubectl(['delete', 'node', ...names], { timeoutMs: END_MS });
      await Promise.all(running.map(({ process }) => atMost(END_MS, process.ended)));
    } finally {
      for (const { process, dataDirectory } of this.nodes.values()) {
        await process.stop('SIGKILL');
        await endCluster(dataDirectory);
      }
      await this.#server?.stop();
      await rm(this.#folder, { recursive: true, force: true });
    }
  }

  #environment(): Record<string, string> {
    return {
      KUBECONFIG: join(this.serverDirectory, 'admin.kubeconfig'),
      HOME: this.#folder,
      PATH: `${TOOLS}:${process.env['PATH'] ?? ''}`,
    };
  }
}

async function atMost(ms: number, what: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([what, late]);
  clearTimeout(timer);
}
