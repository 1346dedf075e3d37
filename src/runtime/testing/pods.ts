import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type {
  ContainerConfig,
  ContainerSecurity,
  ContainerStatus,
  ExecOptions,
  PodSandboxConfig,
  Runtime,
} from '../runtime.ts';

/** A runtime under test, and where the pods of a test keep their files. */
export interface RuntimeFixture {
  readonly runtime: Runtime;
  readonly logDirectory: string;
  /** Holds `<pod uid>/<volume>`. */
  readonly podsDirectory: string;
  /** Whether users, limits and a network of its own can be asked for. */
  readonly root: boolean;
  /**
   * What a container sees: the programs of the `host`, read-only, with a sandbox that is stricter than Kubernetes'; or an `image` of
   * busybox, by a runtime behind CRI, whose user is nobody.
   */
  readonly sees: 'host' | 'image';
  readonly image: string;
  close(): Promise<void>;
}

type ContainerChange = Partial<Omit<ContainerConfig, 'security'>> & { readonly security?: Partial<ContainerSecurity> };

const NEVER = new AbortController().signal;

export function sandboxConfig(logDirectory: string, change: Partial<PodSandboxConfig> = {}): PodSandboxConfig {
  const podUid = randomUUID();
  return {
    podName: 'pod',
    podNamespace: 'default',
    podUid,
    attempt: 0,
    hostname: 'pod',
    logDirectory: join(logDirectory, podUid),
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    shareProcessNamespace: false,
    hostAliases: [],
    sysctls: {},
    supplementalGroups: [],
    labels: {},
    annotations: {},
    ...change,
  };
}

export function containerConfig(change: ContainerChange = {}): ContainerConfig {
  return {
    name: 'main',
    attempt: 0,
    image: 'example.org/any:1',
    command: ['sleep', '1000'],
    args: [],
    workingDir: '',
    env: [],
    mounts: [],
    stdin: false,
    stdinOnce: false,
    tty: false,
    resources: {},
    labels: {},
    annotations: {},
    ...change,
    security: {
      runAsNonRoot: false,
      privileged: false,
      readOnlyRootFilesystem: false,
      allowPrivilegeEscalation: false,
      addCapabilities: [],
      dropCapabilities: [],
      ...change.security,
    },
  };
}

/** One pod of a test. */
export class TestPod {
  readonly fixture: RuntimeFixture;
  readonly config: PodSandboxConfig;
  readonly id: string;

  constructor(fixture: RuntimeFixture, config: PodSandboxConfig, id: string) {
    this.fixture = fixture;
    this.config = config;
    this.id = id;
  }

  static async run(fixture: RuntimeFixture, change: Partial<PodSandboxConfig> = {}): Promise<TestPod> {
    const config = sandboxConfig(fixture.logDirectory, change);
    return new TestPod(fixture, config, await fixture.runtime.runPodSandbox(config, NEVER));
  }

  /** A directory of its own, as an emptyDir is. */
  volume(name: string): string {
    const path = join(this.fixture.podsDirectory, this.config.podUid, name);
    mkdirSync(path, { recursive: true, mode: 0o777 });
    return path;
  }

  create(change: ContainerChange = {}): Promise<string> {
    const { runtime, image } = this.fixture;
    return runtime.createContainer(this.id, containerConfig({ image, ...change }), NEVER);
  }

  async start(change: ContainerChange = {}): Promise<string> {
    const id = await this.create(change);
    await this.fixture.runtime.startContainer(id);
    return id;
  }

  /** Runs a shell script as a container of its own to its end. */
  async script(script: string, change: ContainerChange = {}): Promise<{ status: ContainerStatus; id: string }> {
    const id = await this.start({ command: ['sh', '-c', script], ...change });
    return { id, status: await exitOf(this.fixture.runtime, id) };
  }

  async remove(): Promise<void> {
    await this.fixture.runtime.removePodSandbox(this.id);
  }
}

export async function exitOf(runtime: Runtime, id: string, withinMs = 15_000): Promise<ContainerStatus> {
  const deadline = AbortSignal.timeout(withinMs);
  const events = runtime.events(deadline);
  const first = await runtime.containerStatus(id);
  if (first.state === 'exited') return first;
  for await (const event of events) {
    if (event.containerId !== id) continue;
    const status = await runtime.containerStatus(id);
    if (status.state === 'exited') return status;
  }
  throw new Error('the container did not end in time');
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs a command in a container to its end. */
export async function execute(
  runtime: Runtime,
  id: string,
  command: readonly string[],
  options: Partial<ExecOptions> & { readonly input?: string | Buffer } = {},
): Promise<ExecResult> {
  const { input, ...rest } = options;
  const streams = await runtime.exec(
    id,
    { command, stdin: input !== undefined, stdout: true, stderr: true, tty: false, ...rest },
    NEVER,
  );
  streams.stdin?.end(input);
  const outputs = Promise.all(
    [streams.stdout, streams.stderr].map((stream) => (stream === undefined ? '' : text(stream))),
  );
  // Why it could not be run says more than that its output broke off.
  outputs.catch(() => undefined);
  const end = await streams.exited;
  const [stdout = '', stderr = ''] = await outputs;
  return { stdout, stderr, exitCode: end.exitCode };
}

export function shell(runtime: Runtime, id: string, script: string): Promise<ExecResult> {
  return execute(runtime, id, ['sh', '-c', script]);
}

/** The lines of a log in CRI's format, without stamps: `stdout F line`. */
export function logLines(log: string): string[] {
  return log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(line.indexOf(' ') + 1));
}
