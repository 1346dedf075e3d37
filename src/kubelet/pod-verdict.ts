import type { Pod } from '../api/generated/types.ts';
import type { PodObservation } from './pod-status.ts';

type Failure = NonNullable<PodObservation['failure']>;

/** Why the kubelet itself ends a pod: it cannot honour what the pod asks, or the pod's time is over. */
export class PodVerdict {
  readonly #unsupported: (pod: Pod) => readonly string[];
  readonly #tell: (type: 'Normal' | 'Warning', failure: Failure) => void;
  #failure: Failure | undefined;

  constructor(
    unsupported: (pod: Pod) => readonly string[],
    tell: (type: 'Normal' | 'Warning', failure: Failure) => void,
  ) {
    this.#unsupported = unsupported;
    this.#tell = tell;
  }

  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Judges the pod as it is now; answers after how many milliseconds to judge again, if ever. */
  judge(pod: Pod, now: number): number | undefined {
    if (this.#failure !== undefined) return undefined;
    const fields = this.#unsupported(pod);
    if (fields.length > 0) {
      const message = `Pod was rejected: this node cannot honour ${fields.join(', ')}`;
      this.#fail('Warning', { reason: 'UnsupportedPodField', message });
      return undefined;
    }
    const limit = pod.spec?.activeDeadlineSeconds;
    const started = pod.status?.startTime;
    if (limit === undefined || started === undefined) return undefined;
    const left = Date.parse(started) + limit * 1000 - now;
    if (left > 0) return left;
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#fail('Normal', { reason: 'DeadlineExceeded', message });
    return undefined;
  }

  #fail(type: 'Normal' | 'Warning', failure: Failure): void {
    this.#failure = failure;
    this.#tell(type, failure);
  }
}
