import { chmodSync, chownSync, closeSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError } from '../../lib/errors.ts';
import type { ContainerStats, ContainerStatus } from '../runtime.ts';
import type { Cgroup } from './cgroups.ts';
import { ContainerInput } from './container-input.ts';
import { Launch, shimPipe, spawnShim } from './container-launch.ts';
import { ContainerLog } from './container-log.ts';
import { ContainerOutput } from './container-output.ts';
import { bwrapArguments, containerEnvironment, type EntryContext, hasOwnPidNamespace, isFiltered } from './entry.ts';
import { openBoth, tell } from './fifo.ts';
import { KILL_DEADLINE_MS } from './limits.ts';
import type { MountExpectation } from './mount-table.ts';
import { readPipe } from './pipe-pool.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { isAlive, killTree, signalProcess, untilGone, usageOfTree } from './process-identity.ts';
import { type ContainerRecord, containerDirectory, removeTree, writeRecord } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';
import type { Sandbox } from './sandbox.ts';
import { environmentScript } from './scripts.ts';
import { signalNamed } from './signals.ts';

const FIFOS = ['start', 'info', 'go', 'resize', 'closestdin'];
/** Milliseconds that output may take to arrive after the end: a stray process may hold a pipe open. */
const DRAIN_MS = 2_000;
/** Milliseconds for the shim of a container that has ended to end too. */
const SHIM_GOES_MS = 500;
/** containerd's exit code for a container whose command could not be started. */
const START_ERROR = 128;

interface Ended {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
}

/** One container: its files, the shell that tends it, its output, and what became of it. */
export class Container {
  readonly #context: RuntimeContext;
  readonly sandbox: Sandbox;
  #record: ContainerRecord;
  #output: ContainerOutput | undefined;
  #status: Socket | undefined;
  #closed = false;
  readonly #exited = Promise.withResolvers<{ exitCode: number }>();
  /** Processes that exec started and that run still. */
  execs = 0;
  attached = 0;
  starting = false;
  #cleaning: Promise<void> | undefined;
  readonly input: ContainerInput;

  constructor(context: RuntimeContext, sandbox: Sandbox, record: ContainerRecord) {
    this.#context = context;
    this.sandbox = sandbox;
    this.#record = record;
    this.input = new ContainerInput(this.directory, record.config.stdinOnce, () => {
      const { shim } = this.#record;
      return shim === undefined ? undefined : shimPipe(shim, 'stdin');
    });
    if (record.exitCode !== undefined) this.#exited.resolve({ exitCode: record.exitCode });
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get directory(): string {
    return containerDirectory(this.#context.stateDirectory, this.#record.id);
  }

  get running(): boolean {
    return this.#record.startedAt !== undefined && this.#record.exitCode === undefined;
  }

  get output(): ContainerOutput | undefined {
    return this.#output;
  }

  get exited(): Promise<{ exitCode: number }> {
    return this.#exited.promise;
  }

  get #cgroup(): Cgroup | undefined {
    return this.#context.host.cgroups?.open(this.#record.id);
  }

  get entry(): EntryContext {
    const { host, filterPath } = this.#context;
    return {
      host,
      sandbox: this.sandbox.record,
      container: this.#record,
      directory: this.directory,
      filterPath: isFiltered(host, this.#record) ? filterPath : '/dev/null',
      cgroupDirectories: this.#cgroup?.directories ?? [],
    };
  }

  status(): ContainerStatus {
    const { id, sandboxId, config, createdAt, startedAt, finishedAt, exitCode, reason, message, logPath } =
      this.#record;
    return {
      id,
      sandboxId,
      config,
      createdAt,
      logPath,
      // There is no image but the host.
      imageRef: 'host',
      state: exitCode !== undefined ? 'exited' : startedAt !== undefined ? 'running' : 'created',
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(finishedAt === undefined ? {} : { finishedAt }),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    };
  }

  stats(): ContainerStats | undefined {
    const { id, sandboxId, init } = this.#record;
    if (!this.running || init === undefined) return undefined;
    return { id, sandboxId, ...(this.#cgroup?.stats() ?? usageOfTree(init)) };
  }

  #save(change: Partial<ContainerRecord>): void {
    this.#record = { ...this.#record, ...change };
    writeRecord(join(this.directory, 'container.json'), this.#record);
  }

  #changed(): void {
    this.#context.changed({
      sandboxId: this.#record.sandboxId,
      containerId: this.#record.id,
      podUid: this.sandbox.record.config.podUid,
    });
  }

  /** Makes the directory; a mount that cannot be honoured is found when the view is built. */
  prepare(): void {
    const { host } = this.#context;
    const { user, config, id } = this.#record;
    for (const name of ['', 'tmp', 'vartmp']) mkdirSync(join(this.directory, name), { recursive: true, mode: 0o700 });
    // Sticky and open, as /tmp is; the directory above is closed to everyone on the host.
    for (const name of ['tmp', 'vartmp']) chmodSync(join(this.directory, name), 0o1777);
    const environment = join(this.directory, 'env');
    writeFileSync(environment, environmentScript(containerEnvironment(this.sandbox.record, this.#record)).script, {
      mode: 0o400,
    });
    if (host.root) chownSync(environment, user.uid, user.gid);
    host.cgroups?.create(id, config.resources);
    this.#save({});
  }

  async start(view: {
    readonly bwrapArguments: readonly string[];
    readonly expectation: MountExpectation;
  }): Promise<void> {
    this.starting = true;
    const { fifos, pipes } = this.#context;
    const at = (name: string): string => join(this.directory, name);
    for (const name of [...FIFOS, 'exit']) rmSync(at(name), { force: true });
    await fifos.place(FIFOS.map(at));
    writeFileSync(at('args'), `${bwrapArguments(this.entry, view.bwrapArguments).join('\0')}\0`, { mode: 0o600 });
    const handshake = ['info', 'go', 'start'].map((name) => openBoth(at(name)));
    try {
      const shim = await spawnShim(this.entry, pipes, this.#context.stateDirectory);
      try {
        await this.#launch(shim, view.expectation);
      } catch (error) {
        killTree(shim);
        throw error;
      }
    } finally {
      this.starting = false;
      for (const fd of handshake) closeSync(fd);
    }
  }

  async #launch(shim: ProcessIdentity, expectation: MountExpectation): Promise<void> {
    this.#save({ shim });
    this.#openOutput(shim);
    const launch = new Launch(this.entry, shim);
    const problem = await launch.complete(expectation, (init) => this.#save({ init }));
    if (problem !== undefined) {
      killTree(shim);
      await this.#failed(problem);
    }
    if (this.#record.exitCode === undefined) this.#save({ startedAt: this.#context.clock.now() });
    this.#watchStatus();
    this.#changed();
  }

  #openOutput(shim: ProcessIdentity): void {
    const log = new ContainerLog(this.#record.logPath, this.#context.clock);
    this.#output = new ContainerOutput({ stdout: shimPipe(shim, 'stdout'), stderr: shimPipe(shim, 'stderr') }, log);
  }

  /** As with containerd, a command that cannot be started makes an exited container, and the caller gets the reason. */
  async #failed(message: string): Promise<never> {
    this.#output?.close();
    this.#finish({ exitCode: START_ERROR, reason: 'StartError', message });
    await this.#cgroupEmptied();
    throw new CausewayError('Invalid', message);
  }

  async #cgroupEmptied(): Promise<void> {
    const cgroup = this.#cgroup;
    for (let round = 0; round < 50 && cgroup !== undefined && cgroup.processes().length > 0; round++) {
      cgroup.kill();
      await delay(10);
    }
  }

  /** The end of a container, from its shim: now, or while nobody looked. */
  #watchStatus(): void {
    const { exitCode, shim } = this.#record;
    if (exitCode !== undefined || shim === undefined) return;
    const status = readPipe(shimPipe(shim, 'status'));
    this.#status = status;
    let text = '';
    let done = false;
    const end = (exitCode: number | undefined): void => {
      if (done || this.#closed) return;
      done = true;
      this.#ended(exitCode).catch((error: unknown) => {
        this.#context.log.error('the end of a container could not be recorded', { error: String(error) });
      });
    };
    status.on('error', () => undefined);
    status.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('latin1')).slice(-64);
      const match = /^exit (\d+)\n/m.exec(text);
      if (match !== null) end(Number(match[1]));
    });
    status.once('close', () => end(this.#exitFile()));
  }

  #exitFile(): number | undefined {
    try {
      const text = readFileSync(join(this.directory, 'exit'), 'latin1');
      return /^\d+\n$/.test(text) ? Number(text) : undefined;
    } catch {
      return undefined;
    }
  }

  #exitTime(): number | undefined {
    return statSync(join(this.directory, 'exit'), { throwIfNoEntry: false })?.mtimeMs;
  }

  async #ended(exitCode: number | undefined): Promise<void> {
    const { init, shim } = this.#record;
    if (exitCode === undefined && init !== undefined) signalProcess(init, 'SIGKILL');
    if (!hasOwnPidNamespace(this.sandbox.record)) this.#cgroup?.kill();
    // The shim lets go of the pipes now, so that they end when they are empty.
    if (shim !== undefined) tell(shimPipe(shim, 'ack'), 'read\n');
    await Promise.race([this.#output?.drained(), delay(DRAIN_MS, undefined, { ref: false })]);
    this.#output?.close();
    if (this.#closed) return;
    const killedForMemory = (exitCode === undefined || exitCode === 137) && (this.#cgroup?.outOfMemoryKills() ?? 0) > 0;
    if (killedForMemory) this.#finish({ exitCode: 137, reason: 'OOMKilled' });
    else if (exitCode === 0) this.#finish({ exitCode, reason: 'Completed' });
    else if (exitCode !== undefined) this.#finish({ exitCode, reason: 'Error' });
    else if (shim !== undefined)
      this.#finish({ exitCode: 137, reason: 'Error', message: 'the process that tended the container was killed' });
    this.#changed();
  }

  #finish(end: Ended): void {
    this.#save({
      exitCode: end.exitCode,
      reason: end.reason,
      message: end.message,
      finishedAt: Math.max(this.#exitTime() ?? this.#context.clock.now(), this.#record.startedAt ?? 0),
      startedAt: this.#record.startedAt ?? (end.reason === 'StartError' ? undefined : this.#record.createdAt),
    });
    this.#status?.destroy();
    this.input.close();
    this.#exited.resolve({ exitCode: end.exitCode });
    // All that it was kept for is in the record now.
    this.#cleaning = this.#cgroup?.remove().catch(() => undefined);
  }

  /** Takes up a container of an earlier run: its output goes on into the log, and an end in the meantime is known. */
  async adopt(): Promise<void> {
    const { shim, startedAt, exitCode } = this.#record;
    if (exitCode !== undefined || shim === undefined) return;
    if (startedAt === undefined) {
      // Causeway ended between its first step and its last: nothing of it has run that anybody knows of.
      killTree(shim);
      this.#cgroup?.kill();
      this.#finish({
        exitCode: START_ERROR,
        reason: 'StartError',
        message: 'the start of the container was interrupted',
      });
      return;
    }
    if (!isAlive(shim)) {
      const known = this.#exitFile();
      if (this.#record.init !== undefined) signalProcess(this.#record.init, 'SIGKILL');
      this.#finish(
        known === undefined
          ? {
              exitCode: 255,
              reason: 'Unknown',
              message: 'the container ended while Causeway was not running, with an unknown exit code',
            }
          : { exitCode: known, reason: known === 0 ? 'Completed' : 'Error' },
      );
      return;
    }
    this.#openOutput(shim);
    this.#watchStatus();
  }

  /** Resolves when the container is dead. */
  async stop(graceSeconds: number): Promise<void> {
    if (!this.running) return;
    const { init, config } = this.#record;
    if (graceSeconds > 0 && init !== undefined) {
      signalProcess(init, signalNamed(config.stopSignal));
      const grace = AbortSignal.timeout(Math.min(graceSeconds * 1000, 2 ** 31 - 1));
      const expired = new Promise((resolve) => grace.addEventListener('abort', resolve, { once: true }));
      await Promise.race([this.exited, expired]);
      if (!this.running) return;
    }
    this.#kill();
    const given = delay(KILL_DEADLINE_MS, 'late' as const, { ref: false });
    if ((await Promise.race([this.exited, given])) === 'late')
      throw new CausewayError('InternalError', `container "${config.name}" is still alive after SIGKILL`);
  }

  #kill(): void {
    const { init } = this.#record;
    if (init === undefined) return;
    if (hasOwnPidNamespace(this.sandbox.record)) {
      // The kernel takes the whole PID namespace down with its first process.
      signalProcess(init, 'SIGKILL');
      return;
    }
    killTree(init);
    this.#cgroup?.kill();
  }

  resize(columns: number, rows: number): void {
    tell(join(this.directory, 'resize'), `${columns} ${rows}\n`);
  }

  async remove(): Promise<void> {
    await this.stop(0);
    await this.close();
    const { shim } = this.#record;
    // It goes by itself when its container has ended; one whose start failed, or that never heard back, does not.
    if (shim !== undefined && !(await untilGone(shim, SHIM_GOES_MS))) {
      killTree(shim);
      await untilGone(shim, KILL_DEADLINE_MS);
    }
    await this.#cgroup?.remove();
    await removeTree(this.directory);
  }

  /** Stops watching; the container goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.input.close();
    this.#status?.destroy();
    this.#output?.close();
    await this.#cleaning;
  }
}
