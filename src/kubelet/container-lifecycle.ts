import { chmod, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Container, LifecycleHandler, Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Clock } from '../lib/clock.ts';
import { sleep } from '../lib/deadline.ts';
import type { ContainerStatus, PodSandbox, Runtime } from '../runtime/runtime.ts';
import type { PodAddresses } from './downward.ts';
import { containerEnvironment } from './environment.ts';
import { ImageError, ImagePuller } from './images/image-puller.ts';
import type { ObjectSource } from './object-source.ts';
import { containerConfig } from './pod-config.ts';
import { recordPodEvent } from './pod-events.ts';
import { type ActionTarget, perform } from './probes/probe-action.ts';
import type { PreparedVolume } from './volumes/volume-manager.ts';

/** Whatever hooks and other containers took, a container gets this long to end by itself, as in Kubernetes. */
const MINIMUM_GRACE_SECONDS = 2;
/** Milliseconds that a start which is under way still gets when its pod ends. */
const START_LEFT_MS = 2_000;
/** How much of a termination message is kept: `core/v1` says 4096 bytes, or 2048 bytes or 80 lines of the log. */
const MAX_TERMINATION_MESSAGE_BYTES = 4096;
const MAX_LOG_MESSAGE_BYTES = 2048;
const MAX_LOG_MESSAGE_LINES = 80;

export interface LifecycleDependencies {
  readonly runtime: Runtime;
  readonly source: ObjectSource;
  readonly events: EventRecorder;
  readonly nodeRoom: Readonly<Record<string, string>>;
  readonly trustedCa: () => string | Buffer;
  readonly clock: Clock;
}

/** A step of a container's start that failed: `reason` is what `kubectl get pods` shows. */
export class ContainerStartError extends Error {
  override readonly name = 'ContainerStartError';
  readonly reason: 'CreateContainerConfigError' | 'CreateContainerError' | 'RunContainerError' | ImageError['reason'];

  constructor(reason: ContainerStartError['reason'], cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.reason = reason;
  }
}

/** Starts and ends the containers of one pod, with their hooks and events. */
export class ContainerLifecycle {
  readonly #d: LifecycleDependencies;
  readonly #podDirectory: string;
  /** Where the runtime has images. */
  readonly #puller: ImagePuller | undefined;

  constructor(dependencies: LifecycleDependencies, podDirectory: string) {
    this.#d = dependencies;
    this.#podDirectory = podDirectory;
    const { runtime, source, clock } = dependencies;
    const tell = (pod: Pod, container: Container, type: 'Normal' | 'Warning', reason: string, message: string) =>
      this.#event(pod, container, type, reason, message);
    this.#puller = runtime.images && new ImagePuller({ images: runtime.images, source, clock, tell });
  }

  /** Creates and starts a container; answers its id. Throws `ContainerStartError`. */
  async start(
    pod: Pod,
    container: Container,
    attempt: number,
    sandbox: PodSandbox,
    volumes: ReadonlyMap<string, PreparedVolume>,
    addresses: PodAddresses,
    signal: AbortSignal,
  ): Promise<string> {
    const { runtime, source, nodeRoom } = this.#d;
    const imageRef = await this.#image(pod, container, signal);
    const config = await this.#step('CreateContainerConfigError', async () => {
      const env = await containerEnvironment({ pod, source, addresses, nodeRoom, signal }, container);
      const terminationLog = this.#terminationLog(container.name, attempt);
      await prepareTerminationLog(terminationLog);
      return containerConfig(pod, container, { attempt, env, volumes, terminationLog, ...imageRef });
    });
    const id = await this.#step('CreateContainerError', () => runtime.createContainer(sandbox.id, config, signal));
    if (runtime.name === 'process') {
      this.#event(
        pod,
        container,
        'Normal',
        'ImageNotUsed',
        `Container image "${container.image ?? ''}" is not used: the command runs with the node's own file system, read-only`,
      );
    }
    this.#event(pod, container, 'Normal', 'Created', `Container created`);
    await this.#step('RunContainerError', () => this.#run(id, signal));
    this.#event(pod, container, 'Normal', 'Started', `Container started`);
    return id;
  }

  /** The image, where there are images. Throws `ContainerStartError`. */
  async #image(pod: Pod, container: Container, signal: AbortSignal): Promise<{ imageRef?: string }> {
    if (this.#puller === undefined) return {};
    try {
      return { imageRef: await this.#puller.ensure(pod, container, signal) };
    } catch (error) {
      signal.throwIfAborted();
      throw new ContainerStartError(error instanceof ImageError ? error.reason : 'ErrImagePull', error);
    }
  }

  /** A start that is under way comes to its end, so that what runs then is asked to end as any other; but not one that takes its time. */
  async #run(id: string, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#d;
    signal.throwIfAborted();
    let timer: NodeJS.Timeout | undefined;
    const callOff = (): void => {
      timer = setTimeout(() => void runtime.stopContainer(id, 0).catch(() => undefined), START_LEFT_MS);
    };
    signal.addEventListener('abort', callOff, { once: true });
    try {
      await runtime.startContainer(id);
    } finally {
      signal.removeEventListener('abort', callOff);
      clearTimeout(timer);
    }
  }

  /** Runs the postStart hook; false when it failed, and the container must be killed. After `over` it does not matter any more. */
  async postStart(pod: Pod, target: ActionTarget, over: AbortSignal): Promise<boolean> {
    const hook = target.container.lifecycle?.postStart;
    if (hook === undefined) return true;
    const result = await runHook(hook, target, 0x7fffffff, over);
    if (result.ok || over.aborted) return true;
    this.#event(pod, target.container, 'Warning', 'FailedPostStartHook', `PostStartHook failed: ${result.output}`);
    return false;
  }

  /** preStop, then the stop signal, then SIGKILL; all within the grace period. `ended` aborts when the container has ended: no hook goes on. */
  async stop(
    pod: Pod,
    run: ContainerStatus,
    target: ActionTarget,
    { graceSeconds, message, ended }: { graceSeconds: number; message: string; ended: AbortSignal },
  ): Promise<void> {
    this.#event(pod, target.container, 'Normal', 'Killing', message);
    const hook = target.container.lifecycle?.preStop;
    const started = performance.now();
    if (hook !== undefined && graceSeconds > 0) {
      const result = await runHook(hook, target, graceSeconds * 1000, ended);
      if (!result.ok && !ended.aborted)
        this.#event(pod, target.container, 'Warning', 'FailedPreStopHook', `PreStopHook failed: ${result.output}`);
    }
    const left = graceSeconds - (performance.now() - started) / 1000;
    await this.#d.runtime.stopContainer(run.id, graceSeconds === 0 ? 0 : Math.max(MINIMUM_GRACE_SECONDS, left));
  }

  /** What the container left in its termination log, or the end of its log where its policy says so. */
  async terminationMessage(container: Container, run: ContainerStatus): Promise<string> {
    const file = this.#terminationLog(container.name, run.config.attempt);
    const written = await readEnd(file, MAX_TERMINATION_MESSAGE_BYTES);
    const failed = (run.exitCode ?? 137) !== 0;
    if (written !== '' || container.terminationMessagePolicy !== 'FallbackToLogsOnError' || !failed) return written;
    const log = await readEnd(run.logPath, MAX_LOG_MESSAGE_BYTES * 2);
    const lines = log.split('\n').map((line) => line.replace(/^\S+ \S+ \S+ /, ''));
    return lines.slice(-MAX_LOG_MESSAGE_LINES).join('\n').slice(-MAX_LOG_MESSAGE_BYTES);
  }

  /** Takes away what a run that nobody can ask for any more left on disk: its termination log, and its log with the rotated ones. */
  async forget({ config: { name, attempt }, logPath }: ContainerStatus): Promise<void> {
    await rm(dirname(this.#terminationLog(name, attempt)), { recursive: true, force: true });
    const logs = await readdir(dirname(logPath)).catch(() => []);
    const own = logs.filter((file) => file === basename(logPath) || file.startsWith(`${basename(logPath)}.`));
    for (const file of own) await rm(join(dirname(logPath), file), { force: true });
  }

  #terminationLog(container: string, attempt: number): string {
    return join(this.#podDirectory, 'containers', container, String(attempt), 'termination-log');
  }

  async #step<T>(reason: ContainerStartError['reason'], work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new ContainerStartError(reason, error);
    }
  }

  #event(pod: Pod, container: Container, type: 'Normal' | 'Warning', reason: string, message: string): void {
    recordPodEvent(this.#d.events, pod, type, reason, message, container);
  }
}

async function runHook(
  hook: LifecycleHandler,
  target: ActionTarget,
  timeoutMs: number,
  over: AbortSignal,
): Promise<{ ok: boolean; output: string }> {
  if (hook.sleep !== undefined) {
    await sleep(Math.min(hook.sleep.seconds * 1000, timeoutMs), over);
    return { ok: true, output: '' };
  }
  return perform(hook, target, timeoutMs, over);
}

/** The container's user writes to it, whoever that is; its folder is reachable through the mount alone. */
async function prepareTerminationLog(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, '');
  await chmod(file, 0o666);
}

async function readEnd(file: string, maxBytes: number): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const length = Math.min(size, maxBytes);
      const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString();
    } finally {
      await handle.close();
    }
  } catch {
    return '';
  }
}
