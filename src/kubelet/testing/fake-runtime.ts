import { PassThrough } from 'node:stream';
import type {
  ContainerConfig,
  ContainerStatus,
  ExecOptions,
  PodSandbox,
  PodSandboxConfig,
  ProcessStreams,
  Runtime,
  RuntimeEvent,
} from '../../runtime/runtime.ts';

interface Run {
  status: ContainerStatus;
  readonly exited: PromiseWithResolvers<void>;
  readonly calledOff: PromiseWithResolvers<never>;
}

/** What a test does at some step of the runtime, such as to wait there. */
export interface Hooks {
  runPodSandbox: (config: PodSandboxConfig, signal: AbortSignal) => Promise<void>;
  startContainer: (config: ContainerConfig) => Promise<void>;
  /** False: the container goes on, whatever it is asked. */
  endsWhenAsked: (config: ContainerConfig) => boolean;
  exec: (options: ExecOptions, signal: AbortSignal) => Promise<number>;
}

/** A runtime that runs nothing: its containers end when they are told to. For tests only. */
export class FakeRuntime implements Runtime {
  readonly name = 'fake';
  /** What was asked of it: `start main#0`, `stop main#0 30`. */
  readonly calls: string[] = [];
  readonly hooks: Hooks = {
    runPodSandbox: () => Promise.resolve(),
    startContainer: () => Promise.resolve(),
    endsWhenAsked: () => true,
    exec: () => Promise.resolve(0),
  };
  readonly #now: () => number;
  readonly #sandboxes = new Map<string, PodSandbox>();
  readonly #runs = new Map<string, Run>();
  readonly #readers = new Set<(event: RuntimeEvent) => void>();
  #ids = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  version = () => Promise.resolve({ runtimeName: 'fake', runtimeVersion: '1' });
  status = () => Promise.resolve({ ready: true, networkReady: true, message: '', isolation: [] });
  unsupported = (): readonly string[] => [];

  async runPodSandbox(config: PodSandboxConfig, signal: AbortSignal): Promise<string> {
    this.calls.push(`sandbox #${config.attempt}`);
    await this.hooks.runPodSandbox(config, signal);
    signal.throwIfAborted();
    const id = `s${this.#ids++}`;
    this.#sandboxes.set(id, { id, config, state: 'ready', createdAt: this.#now(), ips: ['10.0.0.9'] });
    return id;
  }

  /** As when its holder is killed. */
  killSandbox(id: string): void {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    this.#sandboxes.set(id, { ...sandbox, state: 'not-ready', ips: [] });
    for (const run of this.#runs.values()) if (run.status.sandboxId === id) this.exit(run.status.id, 137);
    this.#emit({ sandboxId: id, podUid: sandbox.config.podUid });
  }

  async stopPodSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    this.#sandboxes.set(id, { ...sandbox, state: 'not-ready', ips: [] });
    for (const run of this.#runs.values()) if (run.status.sandboxId === id) await this.stopContainer(run.status.id, 0);
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.stopPodSandbox(id);
    for (const run of this.#runs.values()) if (run.status.sandboxId === id) this.#runs.delete(run.status.id);
    this.#sandboxes.delete(id);
  }

  listPodSandboxes = () => Promise.resolve([...this.#sandboxes.values()]);

  createContainer(sandboxId: string, config: ContainerConfig, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const id = `c${this.#ids++}`;
    const logPath = `/nonexistent/${config.name}/${config.attempt}.log`;
    const status: ContainerStatus = {
      id,
      sandboxId,
      config,
      state: 'created',
      createdAt: this.#now(),
      logPath,
      imageRef: '',
    };
    const calledOff = Promise.withResolvers<never>();
    calledOff.promise.catch(() => undefined);
    this.#runs.set(id, { status, exited: Promise.withResolvers(), calledOff });
    return Promise.resolve(id);
  }

  async startContainer(id: string): Promise<void> {
    const run = this.#run(id);
    const { config } = run.status;
    this.calls.push(`start ${config.name}#${config.attempt}`);
    try {
      await Promise.race([this.hooks.startContainer(config), run.calledOff.promise]);
    } catch (error) {
      this.#set(run, { state: 'exited', exitCode: 128, reason: 'StartError', finishedAt: this.#now() });
      throw error;
    }
    this.#set(run, { state: 'running', startedAt: this.#now() });
  }

  /** The container ends by itself. */
  exit(id: string, exitCode: number): void {
    const run = this.#runs.get(id);
    if (run === undefined || run.status.state === 'exited') return;
    const reason = exitCode === 0 ? 'Completed' : 'Error';
    this.#set(run, { state: 'exited', exitCode, reason, finishedAt: this.#now() });
    run.exited.resolve();
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    const { config, state } = run.status;
    if (state === 'created') run.calledOff.reject(new Error('called off'));
    if (state !== 'running') return;
    this.calls.push(`stop ${config.name}#${config.attempt} ${Math.round(graceSeconds)}`);
    if (graceSeconds <= 0) this.exit(id, 137);
    else if (this.hooks.endsWhenAsked(config)) this.exit(id, 143);
    const timer = setTimeout(() => this.exit(id, 137), graceSeconds * 1000);
    await run.exited.promise;
    clearTimeout(timer);
  }

  async removeContainer(id: string): Promise<void> {
    await this.stopContainer(id, 0);
    this.#runs.delete(id);
  }

  listContainers = () => Promise.resolve([...this.#runs.values()].map(({ status }) => status));
  containerStatus = (id: string) => Promise.resolve(this.#run(id).status);
  containerStats = () => Promise.resolve([]);

  exec(_id: string, options: ExecOptions, signal: AbortSignal): Promise<ProcessStreams> {
    const exited = this.hooks.exec(options, signal).then((exitCode) => ({ exitCode }));
    exited.catch(() => undefined);
    const stdout = new PassThrough();
    stdout.end();
    return Promise.resolve({
      stdin: undefined,
      stdout,
      stderr: undefined,
      exited,
      close: () => undefined,
      resize: () => undefined,
    });
  }

  attach = () => Promise.reject(new Error('not here'));
  portForward = () => Promise.reject(new Error('not here'));

  async *events(signal: AbortSignal): AsyncIterable<RuntimeEvent> {
    const waiting: RuntimeEvent[] = [];
    let wake = (): void => undefined;
    const reader = (event: RuntimeEvent): void => {
      waiting.push(event);
      wake();
    };
    this.#readers.add(reader);
    signal.addEventListener('abort', () => wake(), { once: true });
    while (!signal.aborted) {
      const event = waiting.shift();
      if (event !== undefined) yield event;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    this.#readers.delete(reader);
  }

  close = () => Promise.resolve();

  #run(id: string): Run {
    const run = this.#runs.get(id);
    if (run === undefined) throw new Error(`no container ${id}`);
    return run;
  }

  #set(run: Run, change: Partial<ContainerStatus>): void {
    run.status = { ...run.status, ...change };
    const { id, sandboxId } = run.status;
    this.#emit({ sandboxId, containerId: id, podUid: this.#sandboxes.get(sandboxId)?.config.podUid ?? '' });
  }

  #emit(event: RuntimeEvent): void {
    for (const reader of this.#readers) reader(event);
  }
}
