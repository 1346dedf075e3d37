import type { Readable, Writable } from 'node:stream';
import type { Secret } from '../lib/secret.ts';

/**
 * The one runtime interface, in the shape of CRI v1 (k8s.io/cri-api), so that containerd comes behind it next.
 * Errors: `CausewayError` with `NotFound` (no such sandbox or container), `Invalid`/`BadRequest` (what is asked cannot be honoured: named in
 * the message), `InternalError`. Methods are idempotent where CRI's are (stop, remove).
 */
export interface Runtime {
  readonly name: string;
  version(): Promise<{ readonly runtimeName: string; readonly runtimeVersion: string }>;
  /** Conditions for the Node object: `RuntimeReady`, `NetworkReady`, and what the runtime cannot isolate, said plainly. */
  status(): Promise<RuntimeStatus>;
  /** Where containers are made of images; a runtime without it runs the host's programs. */
  readonly images?: ImageService;
  /** Fields of a pod that this runtime cannot honour: what a Forbidden answer or a failed pod names. Pure. */
  unsupported(sandbox: PodSandboxConfig, container?: ContainerConfig): readonly string[];

  runPodSandbox(config: PodSandboxConfig, signal: AbortSignal): Promise<string>;
  stopPodSandbox(sandboxId: string): Promise<void>;
  removePodSandbox(sandboxId: string): Promise<void>;
  listPodSandboxes(): Promise<readonly PodSandbox[]>;

  createContainer(sandboxId: string, config: ContainerConfig, signal: AbortSignal): Promise<string>;
  startContainer(containerId: string): Promise<void>;
  /** SIGTERM (or the configured signal), and SIGKILL after `graceSeconds`. Resolves when it is dead. */
  stopContainer(containerId: string, graceSeconds: number): Promise<void>;
  removeContainer(containerId: string): Promise<void>;
  listContainers(): Promise<readonly ContainerStatus[]>;
  containerStatus(containerId: string): Promise<ContainerStatus>;
  containerStats(): Promise<readonly ContainerStats[]>;

  /** Runs a command in a running container. `NotFound` when the container does not run. */
  exec(containerId: string, options: ExecOptions, signal: AbortSignal): Promise<ProcessStreams>;
  /** The container's own stdio. Ending the returned streams leaves the container running. */
  attach(containerId: string, options: AttachOptions, signal: AbortSignal): Promise<ProcessStreams>;
  /** A TCP stream to `port` on the pod's loopback (its own network namespace, or the host's where it has none). */
  portForward(sandboxId: string, port: number, signal: AbortSignal): Promise<import('node:stream').Duplex>;

  /** Emits after each change of a container's or sandbox's state, found by the runtime itself (no polling by the caller). Ends with `signal`. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>;
  /** Ends what watches and tends; containers go on (`stop` of the whole node stops pods first). */
  close(): Promise<void>;
}

/** The images of a node (CRI v1 `ImageService`). */
export interface ImageService {
  /** Undefined: it is not here. `image` is a name, a digest or an id. */
  find(image: string): Promise<Image | undefined>;
  /** Answers its id. A credential is used for the registry of `image` only. */
  pull(image: string, credential: RegistryCredential | undefined, signal: AbortSignal): Promise<string>;
  list(): Promise<readonly Image[]>;
  remove(id: string): Promise<void>;
  /** Where images lie, and the room that they take. */
  usage(): Promise<{ readonly path: string; readonly usedBytes: number }>;
}

export interface Image {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly bytes: number;
  /** Never collected: the sandboxes' own. */
  readonly pinned: boolean;
}

/** Of one registry. */
export interface RegistryCredential {
  readonly username: string;
  readonly password: Secret;
}

export interface RuntimeStatus {
  readonly ready: boolean;
  readonly networkReady: boolean;
  readonly message: string;
  /** For example `['pid', 'mount', 'ipc', 'uts', 'network', 'user']`. */
  readonly isolation: readonly string[];
}

export interface PodSandboxConfig {
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid: string;
  /** Grows when the sandbox of the same pod is made again. */
  readonly attempt: number;
  readonly hostname: string;
  /** Absolute path of the directory for this pod's container logs: `<logDirectory>/<container>/<restartCount>.log`. */
  readonly logDirectory: string;
  readonly hostNetwork: boolean;
  readonly hostPID: boolean;
  readonly hostIPC: boolean;
  readonly shareProcessNamespace: boolean;
  /** Lines of `/etc/hosts` beyond the runtime's own: `{ip, hostnames}`. */
  readonly hostAliases: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
  readonly dns?: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  readonly sysctls: Readonly<Record<string, string>>;
  readonly fsGroup?: number;
  readonly supplementalGroups: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PodSandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly state: 'ready' | 'not-ready';
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** The pod's addresses; the node's own with `hostNetwork`, or where the runtime has no network isolation. None when it is not ready. */
  readonly ips: readonly string[];
}

export interface Mount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readOnly: boolean;
  /** Whether mounts made later pass on; default `None`. */
  readonly propagation?: 'None' | 'HostToContainer' | 'Bidirectional';
}

export interface ContainerSecurity {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot: boolean;
  readonly privileged: boolean;
  readonly readOnlyRootFilesystem: boolean;
  readonly allowPrivilegeEscalation: boolean;
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  /** `RuntimeDefault`, `Unconfined` or `Localhost/<profile>`; undefined: not said. */
  readonly seccomp?: string;
  /** `procMount: Unmasked`: nothing of `/proc` is hidden. */
  readonly unmaskedProc?: boolean;
}

export interface ContainerConfig {
  readonly name: string;
  /** Counted from 0; part of the log's file name. */
  readonly attempt: number;
  readonly image: string;
  /** The image's id, where the runtime has images (`images`): what `image` meant when it was pulled. */
  readonly imageRef?: string;
  /** Empty: the image's own entry point, which `process/` does not have: `CreateContainerError`. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly Mount[];
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly stopSignal?: string;
  readonly security: ContainerSecurity;
  /** Limits; and, where the runtime weighs containers, what was requested of the processor and who is killed first without memory. */
  readonly resources: {
    readonly cpuMillis?: number;
    readonly memoryBytes?: number;
    readonly pidsLimit?: number;
    readonly cpuRequestMillis?: number;
    readonly oomScoreAdj?: number;
  };
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ContainerStatus {
  readonly id: string;
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly exitCode?: number;
  /** The signal that ended it, where one did. */
  readonly signal?: number;
  /** `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`. */
  readonly reason?: string;
  readonly message?: string;
  /** Absolute path of the log, in CRI format (`2026-11-24T08:00:00.000000000Z stdout F line`). */
  readonly logPath: string;
  readonly imageRef: string;
}

export interface ContainerStats {
  readonly id: string;
  readonly sandboxId: string;
  readonly cpuNanoseconds: bigint;
  readonly memoryBytes: number;
  /** What it wrote beside its volumes, where the runtime keeps that on a disk. */
  readonly writableLayer?: { readonly bytes: number; readonly inodes: number };
}

export interface ExecOptions {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** One process's stdio. With a TTY there is no stderr. Back-pressure is the streams' own. */
export interface ProcessStreams {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  resize(columns: number, rows: number): void;
  /** Resolves when the process ended (exec), or the container did (attach). */
  readonly exited: Promise<{ readonly exitCode: number; readonly signal?: number }>;
  /** Ends the streams; an exec'd process gets SIGKILL, an attached container goes on. */
  close(): void;
}

export interface RuntimeEvent {
  readonly sandboxId: string;
  readonly containerId?: string;
  readonly podUid: string;
}
