import type { Pod } from '../api/generated/types.ts';
import type { PodFailure } from './pod-status.ts';

/** Why the kubelet itself ends a pod: it cannot honour what the pod asks, or the pod's time is over. */
export class PodVerdict {
  readonly #unsupported: (pod: Pod) => readonly string[];
  readonly #refused: (pod: Pod) => PodFailure | undefined;
  readonly #tell: (type: 'Normal' | 'Warning', failure: PodFailure) => void;
  #failure: PodFailure | undefined;
  #admitted = false;

  constructor(
    unsupported: (pod: Pod) => readonly string[],
    refused: (pod: Pod) => PodFailure | undefined,
    tell: (type: 'Normal' | 'Warning', failure: PodFailure) => void,
  ) {
    this.#unsupported = unsupported;
    this.#refused = refused;
    this.#tell = tell;
  }

  get failure(): PodFailure | undefined {
    return this.#failure;
  }

  /** The pod ends, and this is why. */
  fail(type: 'Normal' | 'Warning', failure: PodFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#tell(type, failure);
  }

  /** Judges the pod as it is now; `isNew`: nothing of it was made yet. Answers after how many milliseconds to judge again, if ever. */
  judge(pod: Pod, now: number, isNew: boolean): number | undefined {
    if (this.#failure !== undefined) return undefined;
    const refusal = isNew && !this.#admitted ? this.#refused(pod) : undefined;
    if (refusal !== undefined) {
      this.fail('Warning', refusal);
      return undefined;
    }
    this.#admitted = true;
    const fields = this.#unsupported(pod);
    if (fields.length > 0) {
      const message = `Pod was rejected: this node cannot honour ${fields.join(', ')}`;
      this.fail('Warning', { reason: 'UnsupportedPodField', message });
      return undefined;
    }
    const limit = pod.spec?.activeDeadlineSeconds;
    const started = pod.status?.startTime;
    if (limit === undefined || started === undefined) return undefined;
    const left = Date.parse(started) + limit * 1000 - now;
    if (left > 0) return left;
    const message = 'Pod was active on the node longer than the specified deadline';
    this.fail('Normal', { reason: 'DeadlineExceeded', message });
    return undefined;
  }
}
