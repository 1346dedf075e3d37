import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { sleep } from '../../lib/deadline.ts';
import { CausewayError } from '../../lib/errors.ts';
import { hostFile, hostsFileOf } from '../hosts-file.ts';
import type { PodSandbox } from '../runtime.ts';
import { hasOwnNetwork, sharesPidNamespace } from './entry.ts';
import { KILL_DEADLINE_MS, SHM_BYTES, START_DEADLINE_MS } from './limits.ts';
import { readPipe } from './pipe-pool.ts';
import { identifyChild, isAlive, type ProcessIdentity, signalProcess, untilGone } from './process-identity.ts';
import { removeTree, type SandboxRecord, sandboxDirectory, writeRecord } from './records.ts';
import { TOOL_ENVIRONMENT } from './run-tool.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { HOLDER } from './scripts.ts';
import { withSealedStdio } from './sealed-stdio.ts';

/**
 * A pod's namespaces, held by one small process: mount (with the pod's own terminals and shared memory), IPC, and as root the network;
 * the PID namespace too where the pod shares it. Containers are made inside of it. When the holder is gone, so is all that.
 */
export class Sandbox {
  readonly #context: RuntimeContext;
  #record: SandboxRecord;
  #alive: Socket | undefined;
  #dead = true;
  #starting: { readonly callOff: AbortController; readonly settled: Promise<unknown> } | undefined;

  constructor(context: RuntimeContext, record: SandboxRecord) {
    this.#context = context;
    this.#record = record;
  }

  get record(): SandboxRecord {
    return this.#record;
  }

  get directory(): string {
    return sandboxDirectory(this.#context.stateDirectory, this.#record.id);
  }

  get ready(): boolean {
    return !this.#dead && !this.#record.stopped;
  }

  status(): PodSandbox {
    const { id, config, createdAt, address } = this.#record;
    return {
      id,
      config,
      state: this.ready ? 'ready' : 'not-ready',
      createdAt,
      ips: !this.ready ? [] : address === undefined ? this.#context.nodeAddresses : [address],
    };
  }

  #save(change: Partial<SandboxRecord>): void {
    this.#record = { ...this.#record, ...change };
    writeRecord(join(this.directory, 'sandbox.json'), this.#record);
  }

  start(signal: AbortSignal): Promise<void> {
    const callOff = new AbortController();
    const started = this.#start(AbortSignal.any([signal, callOff.signal])).finally(() => {
      this.#starting = undefined;
    });
    this.#starting = { callOff, settled: started.catch(() => undefined) };
    return started;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { host, network } = this.#context;
    for (const path of [this.directory, ...['shm', 'sys', 'proc'].map((name) => join(this.directory, name))])
      mkdirSync(path, { recursive: true, mode: 0o700 });
    this.#save({});
    this.#writeFiles();
    signal.throwIfAborted();
    await this.#startHolder(signal);
    const { address, holder } = this.#record;
    if (hasOwnNetwork(host, this.#record) && address !== undefined && holder !== undefined)
      await network?.attach(this.#record.id, holder.pid, address);
    signal.throwIfAborted();
  }

  async #startHolder(signal: AbortSignal): Promise<void> {
    const { host } = this.#context;
    const { config } = this.#record;
    const shared = sharesPidNamespace(this.#record);
    const ownNetwork = hasOwnNetwork(host, this.#record);
    const namespaces = [
      ...(host.root ? [] : ['--user', '--map-root-user']),
      ...['--mount', '--propagation', 'slave'],
      ...(config.hostIPC ? [] : ['--ipc']),
      ...(ownNetwork ? ['--net'] : []),
      ...(shared ? ['--pid', '--fork', '--kill-child'] : []),
    ];
    const script = [
      ...['holder', this.directory, shared ? 'proc' : '-', ownNetwork ? 'sys' : '-', String(SHM_BYTES)],
      ...Object.entries(config.sysctls).map(([name, value]) => `${name.replaceAll('.', '/')}=${value}`),
    ];
    const alive = await this.#context.pipes.take();
    if (signal.aborted) {
      alive.close();
      throw signal.reason;
    }
    const end = alive.end('write');
    const errors = openSync(join(this.directory, 'launch.log'), 'w', 0o600);
    const child = withSealedStdio(['ignore', 'pipe', errors, end], (stdio) =>
      spawn(host.tools.path('unshare'), [...namespaces, '--', host.tools.path('sh'), '-c', HOLDER, ...script], {
        stdio,
        detached: true,
        cwd: '/',
        env: { ...TOOL_ENVIRONMENT, CAUSEWAY_STATE: this.#context.stateDirectory },
      }),
    );
    for (const fd of [end, errors]) closeSync(fd);
    const holder = identifyChild(child);
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (why: string): void =>
          reject(new CausewayError('InternalError', `the pod sandbox did not start: ${why}`));
        const timer = setTimeout(() => fail('it took too long'), START_DEADLINE_MS);
        const abort = (): void => fail('it was called off');
        signal.addEventListener('abort', abort, { once: true });
        child.once('error', (error) => fail(error.message));
        child.once('exit', () => fail(this.#lastWords()));
        child.stdout?.once('data', () => resolve());
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
        };
        child.stdout?.once('close', done);
      });
      if (holder === undefined)
        throw new CausewayError('InternalError', `the pod sandbox did not start: ${this.#lastWords()}`);
      this.#save({ holder });
      this.#watch(holder);
    } catch (error) {
      child.kill('SIGKILL');
      if (holder !== undefined) await untilGone(holder, KILL_DEADLINE_MS);
      throw error;
    } finally {
      alive.close();
      child.stdout?.destroy();
      child.removeAllListeners('exit');
      child.on('error', () => undefined);
      child.unref();
    }
  }

  #lastWords(): string {
    try {
      return readFileSync(join(this.directory, 'launch.log'), 'utf8').trim().split('\n').at(-1) ?? '';
    } catch {
      return '';
    }
  }

  /** The holder has the only writing end: when the pipe ends, the sandbox is dead. */
  #watch(holder: ProcessIdentity): void {
    this.#dead = false;
    const alive = readPipe(`/proc/${holder.pid}/fd/3`);
    this.#alive = alive;
    alive.on('error', () => undefined);
    alive.resume();
    alive.once('close', () => {
      if (this.#alive !== alive) return;
      this.#dead = true;
      this.#context.changed({ sandboxId: this.#record.id, podUid: this.#record.config.podUid });
    });
  }

  /** Takes up a sandbox of an earlier run. A stop that Causeway did not bring to its end goes on. */
  async adopt(): Promise<void> {
    const { holder, stopped } = this.#record;
    if (stopped) return this.stop();
    if (holder === undefined || !isAlive(holder)) return;
    try {
      this.#watch(holder);
    } catch {
      this.#dead = true;
    }
  }

  /** From now on nothing starts in it, also when Causeway dies before it is stopped. */
  retire(): void {
    try {
      if (!this.#record.stopped) this.#save({ stopped: true });
    } catch (error) {
      // A disk that is full must not keep a pod running.
      this.#context.log.warn('the stop of a pod sandbox could not be written down', { error: String(error) });
    }
    this.#starting?.callOff.abort();
  }

  async stop(): Promise<void> {
    this.retire();
    await this.#starting?.settled;
    const { holder, id } = this.#record;
    if (holder !== undefined) {
      signalProcess(holder, 'SIGKILL');
      if (!(await untilGone(holder, KILL_DEADLINE_MS)))
        throw new CausewayError('InternalError', `pod sandbox "${id}" is still alive after SIGKILL`);
      await this.#untilEmpty();
    }
    this.#dead = true;
    await this.#context.network?.detach(id);
  }

  /** A shared PID namespace ends with its first process, which is not the holder but below it: each has the pipe open. */
  async #untilEmpty(): Promise<void> {
    const alive = this.#alive;
    if (alive === undefined || alive.closed) return;
    const over = new AbortController();
    await Promise.race([once(alive, 'close'), sleep(KILL_DEADLINE_MS, over.signal)]);
    over.abort();
  }

  async remove(): Promise<void> {
    await this.stop();
    this.close();
    await removeTree(this.directory);
  }

  /** Stops watching; the sandbox goes on. */
  close(): void {
    const alive = this.#alive;
    this.#alive = undefined;
    alive?.destroy();
  }

  #writeFiles(): void {
    const { config, address } = this.#record;
    const write = (name: string, text: string): void => {
      writeFileSync(join(this.directory, name), text, { mode: 0o644 });
    };
    write('hosts', hostsFileOf(config, address));
    write('hostname', `${config.hostname}\n`);
    const { dns } = config;
    const resolver =
      dns === undefined
        ? hostFile('/etc/resolv.conf')
        : [
            ...dns.servers.map((server) => `nameserver ${server}`),
            ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
            ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
            '',
          ].join('\n');
    write('resolv.conf', resolver);
  }
}
