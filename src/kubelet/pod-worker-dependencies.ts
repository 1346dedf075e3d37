import type { Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ContainerLifecycle } from './container-lifecycle.ts';
import type { PodRecord } from './pod-record.ts';
import type { PodFailure } from './pod-status.ts';
import type { RuntimeView } from './runtime-view.ts';
import type { VolumeManager } from './volumes/volume-manager.ts';

/** What the worker of one pod works with. */
export interface PodWorkerDependencies {
  /** How the API shows the pod. */
  readonly record: PodRecord;
  readonly runtime: Runtime;
  readonly volumes: VolumeManager;
  readonly lifecycle: ContainerLifecycle;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly logsDirectory: string;
  readonly hostIPs: readonly string[];
  readonly trustedCa: () => string | Buffer;
  /** What the runtime has of this pod now, newest first. */
  readonly observe: () => ReturnType<RuntimeView['ofPod']>;
  /** Makes `observe` see what the worker has just changed. */
  readonly refresh: () => Promise<void>;
  /** Resolves when `observe` shows that the container runs no more. */
  readonly exitOf: (containerId: string) => Promise<void>;
  readonly removePodLogs: (pod: Pod) => Promise<void>;
  /** Fields that cannot be honoured: such a pod is not run. */
  readonly unsupported: (pod: Pod) => readonly string[];
  /** Why a pod of which nothing runs yet is not run here now. */
  readonly refused: (pod: Pod) => PodFailure | undefined;
  /** The pod is gone: from the runtime, the disk and the API. */
  readonly finished: () => void;
}
