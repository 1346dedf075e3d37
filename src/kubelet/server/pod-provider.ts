/** What the kubelet's core tells its HTTPS endpoint of the pods on this node. */
export interface PodProvider {
  /** All pods of this node, static and mirrored ones included. */
  pods(): readonly ServedPod[];
  find(namespace: string, name: string): ServedPod | undefined;
}

export interface ServedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Of the mirror by which the API shows a static pod: callers know it by this one. */
  readonly mirrorUid?: string;
  /** The `v1.Pod` with its newest status, as `/pods` shows it. */
  readonly object: object;
  /** undefined while there is none that is ready. */
  readonly sandboxId: string | undefined;
  /** Init, sidecar, ephemeral and ordinary containers that have a status. */
  readonly containers: readonly ServedContainer[];
}

export interface ServedContainer {
  readonly name: string;
  readonly tty: boolean;
  /** The run that runs now, whatever the status says still: what exec and attach enter. */
  readonly running: RunningInstance | undefined;
  /** What the status says, by which the log that is meant is chosen. */
  readonly state: ContainerState;
  /** The instance before the present one: `lastState.terminated`. While it waits to be started again, the last one there was. */
  readonly previous: ContainerInstance | undefined;
}

export interface RunningInstance {
  /** The runtime's. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export type ContainerState =
  /** There is no status yet. */
  | { readonly kind: 'unknown' }
  /** `ContainerCreating`, `CrashLoopBackOff`, `ErrImagePull`, … */
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'running'; readonly instance: ContainerInstance }
  /** Without an instance: it ended before it had one. */
  | { readonly kind: 'terminated'; readonly instance: ContainerInstance | undefined };

/** One run of a container. */
export interface ContainerInstance {
  /** As the status has it: `process://…`. */
  readonly id: string;
  /** Absolute path of its log in CRI format; rotated files lie beside it. Undefined when the run was removed meanwhile. */
  readonly logPath: string | undefined;
  /** Resolves when it ended and its log is complete; at once for one that has. */
  readonly ended: Promise<void>;
}
