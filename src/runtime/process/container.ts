import { closeSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sleep } from '../../lib/deadline.ts';
import { CausewayError } from '../../lib/errors.ts';
import { ExitWatch, exitOnDisk } from './container-exit.ts';
import { ContainerInput } from './container-input.ts';
import { Launch, shimPipe, spawnShim } from './container-launch.ts';
import { ContainerLog } from './container-log.ts';
import { ContainerOutput } from './container-output.ts';
import { type ContainerEnd, ContainerState } from './container-state.ts';
import { bwrapArguments, hasOwnPidNamespace } from './entry.ts';
import { ExecSessions } from './exec-sessions.ts';
import { openBoth, tell } from './fifo.ts';
import { KILL_DEADLINE_MS } from './limits.ts';
import type { MountExpectation } from './mount-table.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { isAlive, killTree, signalProcess, untilGone } from './process-identity.ts';
import { type ContainerRecord, removeTree } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';
import type { Sandbox } from './sandbox.ts';
import { signalNamed } from './signals.ts';
import { killStrays } from './strays.ts';

const FIFOS = ['start', 'info', 'go', 'resize', 'closestdin'];
/** Milliseconds for the shim of a container that has ended to end too. */
const SHIM_GOES_MS = 500;
/** containerd's exit code for a container whose command could not be started. */
const START_ERROR = 128;

/** A start that is under way. */
interface Starting {
  readonly callOff: AbortController;
  /** Resolves when it has come to something, whatever that is. */
  readonly settled: Promise<void>;
}

interface ContainerView {
  readonly bwrapArguments: readonly string[];
  readonly expectation: MountExpectation;
}

/** One container's life: its start, the shell that tends it, its output, its end. */
export class Container extends ContainerState {
  #output: ContainerOutput | undefined;
  #exitWatch: ExitWatch | undefined;
  readonly sessions = new ExecSessions();
  attached = 0;
  #starting: Starting | undefined;
  /** The stop signal was sent: it means something once. */
  #asked = false;
  #ending: Promise<void> | undefined;
  #removing: Promise<void> | undefined;
  #cleaning: Promise<void> | undefined;
  readonly input: ContainerInput;

  constructor(context: RuntimeContext, sandbox: Sandbox, record: ContainerRecord) {
    super(context, sandbox, record);
    this.input = new ContainerInput(this.directory, record.config.stdinOnce, () => {
      const { shim } = this.record;
      return shim === undefined ? undefined : shimPipe(shim, 'stdin');
    });
  }

  get starting(): boolean {
    return this.#starting !== undefined;
  }

  get output(): ContainerOutput | undefined {
    return this.#output;
  }

  /** Throws what went wrong; the container has then exited. */
  start(view: ContainerView): Promise<void> {
    const callOff = new AbortController();
    const started = this.#start(view, callOff.signal).finally(() => {
      this.#starting = undefined;
    });
    this.#starting = { callOff, settled: started.catch(() => undefined) };
    return started;
  }

  async #start(view: ContainerView, signal: AbortSignal): Promise<void> {
    const at = (name: string): string => join(this.directory, name);
    let problem: string | undefined;
    const handshake: number[] = [];
    try {
      for (const name of [...FIFOS, 'exit']) rmSync(at(name), { force: true });
      await this.context.fifos.place(FIFOS.map(at));
      writeFileSync(at('args'), `${bwrapArguments(this.entry, view.bwrapArguments).join('\0')}\0`, { mode: 0o600 });
      for (const name of ['info', 'go', 'start']) handshake.push(openBoth(at(name)));
      problem = await this.#launch(view.expectation, signal);
      if (problem === undefined) {
        this.save({ startedAt: this.context.clock.now() });
        this.#watchExit();
      }
    } catch (error) {
      problem = signal.aborted ? 'the container was stopped while it started' : messageOf(error);
    } finally {
      for (const fd of handshake) closeSync(fd);
    }
    if (problem !== undefined) return this.#failed(problem);
    this.changed();
  }

  /** Answers what went wrong, if anything did. */
  async #launch(expectation: MountExpectation, signal: AbortSignal): Promise<string | undefined> {
    const { pipes, stateDirectory } = this.context;
    const shim = await spawnShim(this.entry, pipes, stateDirectory, signal);
    this.save({ shim });
    this.#openOutput(shim);
    const tellers = {
      found: (init: ProcessIdentity) => this.save({ init }),
      begins: () => this.save({ began: true }),
    };
    return new Launch(this.entry, shim).complete(expectation, tellers, signal);
  }

  #openOutput(shim: ProcessIdentity): void {
    const { sandboxId, config, logPath } = this.record;
    const log = new ContainerLog(logPath, this.context.clock, (error) => {
      this.context.log.warn('the log of a container cannot be written, lines of it are lost', {
        sandbox: sandboxId,
        container: config.name,
        error: String(error),
      });
    });
    this.#output = new ContainerOutput({ stdout: shimPipe(shim, 'stdout'), stderr: shimPipe(shim, 'stderr') }, log);
  }

  /** As with containerd, a command that cannot be started makes an exited container, and the caller gets the reason. */
  async #failed(message: string): Promise<never> {
    const { shim } = this.record;
    if (shim !== undefined) {
      await killTree(shim);
      await this.#emptyCgroup();
      await killStrays(this.context, [this.directory]);
    }
    this.#output?.close();
    this.#finish({ exitCode: START_ERROR, reason: 'StartError', message });
    this.changed();
    throw new CausewayError('Invalid', message);
  }

  async #emptyCgroup(): Promise<void> {
    const cgroup = this.cgroup;
    for (let round = 0; round < 50 && cgroup !== undefined && cgroup.processes().length > 0; round++) {
      cgroup.kill();
      await delay(10);
    }
  }

  /** The end of a container, from its shim: now, or while nobody looked. */
  #watchExit(): void {
    const { shim } = this.record;
    if (shim === undefined) return;
    this.#exitWatch = new ExitWatch(this.directory, shim, (exitCode) => {
      this.#ending = this.#ended(exitCode).catch((error: unknown) => {
        this.context.log.error('the end of a container was not seen to its end', { error: String(error) });
      });
    });
  }

  async #ended(exitCode: number | undefined): Promise<void> {
    const { init, shim } = this.record;
    if (exitCode === undefined) {
      if (init !== undefined) signalProcess(init, 'SIGKILL');
      await killStrays(this.context, [this.directory]);
    }
    await this.sessions.end();
    if (!hasOwnPidNamespace(this.sandbox.record)) await this.#emptyCgroup();
    // The shim lets go of the pipes now, so that they end when they are empty.
    if (shim !== undefined) tell(shimPipe(shim, 'ack'), 'read\n');
    await this.#output?.drain();
    const killedForMemory = (exitCode === undefined || exitCode === 137) && (this.cgroup?.outOfMemoryKills() ?? 0) > 0;
    if (killedForMemory) this.#finish({ exitCode: 137, reason: 'OOMKilled' });
    else if (exitCode === 0) this.#finish({ exitCode, reason: 'Completed' });
    else if (exitCode !== undefined) this.#finish({ exitCode, reason: 'Error' });
    else this.#finish({ exitCode: 137, reason: 'Error', message: 'the process that tended the container was killed' });
    this.changed();
  }

  #finish(end: ContainerEnd): void {
    this.finish(end);
    this.#exitWatch?.close();
    this.input.close();
    // All that it was kept for is in the record now.
    this.#cleaning = this.cgroup?.remove().catch(() => undefined);
  }

  /** Takes up a container of an earlier run: its output goes on into the log, and an end in the meantime is known. */
  async adopt(): Promise<void> {
    const { shim, init, startedAt, exitCode, began = false } = this.record;
    if (exitCode !== undefined || shim === undefined) return;
    if (startedAt === undefined && !began) {
      // Causeway ended in the middle of the start: nothing of the command has run, and it can be started anew.
      await killTree(shim);
      await this.#emptyCgroup();
      this.save({ shim: undefined, init: undefined });
      return;
    }
    if (startedAt === undefined) this.save({ startedAt: this.context.clock.now() });
    if (isAlive(shim)) {
      try {
        this.#openOutput(shim);
        this.#watchExit();
        return;
      } catch {
        // It ended just now.
        this.#output?.close();
      }
    }
    if (init !== undefined) signalProcess(init, 'SIGKILL');
    const known = exitOnDisk(this.directory)?.code;
    // A shim that was killed leaves what helped it.
    if (known === undefined) await killStrays(this.context, [this.directory]);
    const message = 'the container ended while Causeway was not running, with an unknown exit code';
    this.#finish(
      known === undefined
        ? { exitCode: 255, reason: 'Unknown', message }
        : { exitCode: known, reason: known === 0 ? 'Completed' : 'Error' },
    );
  }

  /** Resolves when the container is dead. One that is starting is stopped before its command begins, or right after. */
  async stop(graceSeconds: number): Promise<void> {
    if (this.#starting !== undefined) {
      this.#starting.callOff.abort();
      await this.#starting.settled;
    }
    if (!this.running) return;
    const { init, config } = this.record;
    if (graceSeconds > 0 && init !== undefined) {
      if (!this.#asked) signalProcess(init, signalNamed(config.stopSignal));
      this.#asked = true;
      const over = new AbortController();
      await Promise.race([this.exited, sleep(Math.min(graceSeconds * 1000, 2 ** 31 - 1), over.signal)]);
      over.abort();
      if (!this.running) return;
    }
    await this.#kill();
    const over = new AbortController();
    const late = sleep(KILL_DEADLINE_MS, over.signal).then(() => 'late' as const);
    const first = await Promise.race([this.exited, late]);
    over.abort();
    if (first === 'late')
      throw new CausewayError('InternalError', `container "${config.name}" is still alive after SIGKILL`);
  }

  async #kill(): Promise<void> {
    const { init } = this.record;
    if (init === undefined) return;
    if (hasOwnPidNamespace(this.sandbox.record)) {
      // The kernel takes the whole PID namespace down with its first process.
      signalProcess(init, 'SIGKILL');
      return;
    }
    await killTree(init);
    this.cgroup?.kill();
  }

  resize(columns: number, rows: number): void {
    tell(join(this.directory, 'resize'), `${columns} ${rows}\n`);
  }

  /** Ends it and takes away what it has on disk. Who asks again while that goes on waits for the same. */
  remove(): Promise<void> {
    this.#removing ??= this.#remove().catch((error: unknown) => {
      this.#removing = undefined;
      throw error;
    });
    return this.#removing;
  }

  async #remove(): Promise<void> {
    await this.stop(0);
    await this.sessions.end();
    await this.close();
    const { shim } = this.record;
    // It goes by itself when its container has ended; one that never heard back does not.
    if (shim !== undefined && !(await untilGone(shim, SHIM_GOES_MS))) {
      await killTree(shim);
      await untilGone(shim, KILL_DEADLINE_MS);
    }
    await this.cgroup?.remove();
    await removeTree(this.directory);
  }

  /** Stops watching; the container goes on. A start that is under way, or an end, is brought to its end first. */
  async close(): Promise<void> {
    await this.#starting?.settled;
    await this.#ending;
    await this.sessions.end();
    this.input.close();
    this.#exitWatch?.close();
    this.#output?.close();
    await this.#cleaning;
    this.release();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
