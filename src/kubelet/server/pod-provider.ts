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
  readonly state: ContainerState;
  /** The instance before the present one: `lastState.terminated`. */
  readonly previous: ContainerInstance | undefined;
}

export type ContainerState =
  /** `ContainerCreating`, `CrashLoopBackOff`, `ErrImagePull`, … */
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'running'; readonly instance: ContainerInstance }
  /** Without an instance: it ended before it had one. */
  | { readonly kind: 'terminated'; readonly instance: ContainerInstance | undefined };

/** One run of a container. */
export interface ContainerInstance {
  /** The runtime's. */
  readonly id: string;
  /** Absolute path of its log in CRI format; rotated files lie beside it. */
  readonly logPath: string;
  /** Resolves when it ended and its log is complete; at once for one that has. */
  readonly ended: Promise<void>;
}
