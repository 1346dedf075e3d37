import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerStats, ContainerStatus } from '../runtime.ts';
import type { Cgroup } from './cgroups.ts';
import { exitOnDisk } from './container-exit.ts';
import { containerEnvironment, type EntryContext, isFiltered } from './entry.ts';
import { usageOfTree } from './process-identity.ts';
import { type ContainerRecord, containerDirectory, writeRecord } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';
import type { Sandbox } from './sandbox.ts';
import { environmentScript } from './scripts.ts';

/** Milliseconds between two tries to write down what did not fit on the disk. */
const SAVE_AGAIN_MS = 1_000;

export interface ContainerEnd {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
}

/** What is known of one container, which is on disk at every moment, and its files. */
export class ContainerState {
  protected readonly context: RuntimeContext;
  readonly sandbox: Sandbox;
  #record: ContainerRecord;
  readonly #exited = Promise.withResolvers<{ exitCode: number }>();
  #unsaved: NodeJS.Timeout | undefined;

  constructor(context: RuntimeContext, sandbox: Sandbox, record: ContainerRecord) {
    this.context = context;
    this.sandbox = sandbox;
    this.#record = record;
    if (record.exitCode !== undefined) this.#exited.resolve({ exitCode: record.exitCode });
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get directory(): string {
    return containerDirectory(this.context.stateDirectory, this.#record.id);
  }

  get running(): boolean {
    return this.#record.startedAt !== undefined && this.#record.exitCode === undefined;
  }

  get exited(): Promise<{ exitCode: number }> {
    return this.#exited.promise;
  }

  protected get cgroup(): Cgroup | undefined {
    return this.context.host.cgroups?.open(this.#record.id);
  }

  get entry(): EntryContext {
    const { host, filterPath } = this.context;
    return {
      host,
      sandbox: this.sandbox.record,
      container: this.#record,
      directory: this.directory,
      filterPath: isFiltered(host, this.#record) ? filterPath : '/dev/null',
      cgroupDirectories: this.cgroup?.directories ?? [],
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
    return { id, sandboxId, ...(this.cgroup?.stats() ?? usageOfTree(init)) };
  }

  /** Makes the directory; a mount that cannot be honoured is found when the view is built. */
  prepare(): void {
    const { host } = this.context;
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
    this.save({});
  }

  protected save(change: Partial<ContainerRecord>): void {
    this.#record = { ...this.#record, ...change };
    writeRecord(join(this.directory, 'container.json'), this.#record);
  }

  protected changed(): void {
    this.context.changed({
      sandboxId: this.#record.sandboxId,
      containerId: this.#record.id,
      podUid: this.sandbox.record.config.podUid,
    });
  }

  /** Records the end, which counts also when the disk does not take it. A container whose start failed has no time of start. */
  protected finish(end: ContainerEnd): void {
    const { startedAt, createdAt } = this.#record;
    try {
      this.save({
        exitCode: end.exitCode,
        reason: end.reason,
        message: end.message,
        finishedAt: Math.max(exitOnDisk(this.directory)?.at ?? this.context.clock.now(), startedAt ?? 0),
        startedAt: startedAt ?? (end.reason === 'StartError' ? undefined : createdAt),
      });
    } catch (error) {
      this.context.log.error('the end of a container could not be written down', { error: String(error) });
      this.#saveLater();
    }
    this.#exited.resolve({ exitCode: end.exitCode });
  }

  /** When there is room again: the next start of Causeway knows of the end only what is on disk. */
  #saveLater(): void {
    this.#unsaved = setTimeout(() => this.#saveUnsaved(() => this.#saveLater()), SAVE_AGAIN_MS).unref();
  }

  #saveUnsaved(failed: () => void): void {
    if (this.#unsaved === undefined) return;
    clearTimeout(this.#unsaved);
    this.#unsaved = undefined;
    try {
      this.save({});
    } catch {
      failed();
    }
  }

  /** From now on what is on disk may be another's. */
  protected release(): void {
    this.#saveUnsaved(() => undefined);
  }
}
