import type { Pod, PodStatus } from '../api/generated/types.ts';
import type { Clock } from '../lib/clock.ts';
import { sleep } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { PodRecord } from './pod-record.ts';
import type { PodRuns } from './pod-runs.ts';
import { computePodStatus, type PodObservation, type Waiting, withOwnStatus } from './pod-status.ts';
import { StatusWriter } from './status-writer.ts';

/** How long the end of the node waits for a pod's last status to be stored. */
const LAST_STATUS_MS = 5_000;

export interface ReporterDependencies {
  readonly record: PodRecord;
  readonly clock: Clock;
  readonly log: Log;
  readonly runtimeName: string;
  readonly hostIPs: readonly string[];
  /** What is known of the pod now. */
  readonly look: () => Look;
  /** Nothing is written any more. */
  readonly signal: AbortSignal;
}

export interface Look extends Pick<PodObservation, 'health' | 'terminationMessages' | 'terminating' | 'failure'> {
  readonly seen: PodRuns;
  /** Why containers could not be started. */
  readonly failures: ReadonlyMap<string, Waiting>;
}

/** Tells the apiserver how one pod does. */
export class PodReporter {
  readonly #d: ReporterDependencies;
  readonly #writer: StatusWriter;
  readonly #nodeEnds = Promise.withResolvers<void>();
  #reported: PodStatus | undefined;

  constructor(pod: Pod, dependencies: ReporterDependencies) {
    this.#d = dependencies;
    const { record, log, signal } = dependencies;
    this.#writer = new StatusWriter(record, pod.metadata.name ?? '', log, signal);
  }

  /** The pod's phase by what is seen of it now. */
  phase(pod: Pod): PodStatus['phase'] {
    return computePodStatus(pod, this.#observation(pod, new Map())).phase;
  }

  /** Answers the pod with the status that was reported: what was decided here counts at once, before the API shows it. */
  report(pod: Pod, waiting: ReadonlyMap<string, Waiting>): Pod {
    const status = computePodStatus(pod, this.#observation(pod, waiting));
    this.#reported = status;
    this.#writer.report(status);
    return withOwnStatus(pod, status);
  }

  /** A pod as the API shows it, which may be as it was before. */
  known(pod: Pod): Pod {
    return this.#reported === undefined ? pod : withOwnStatus(pod, this.#reported);
  }

  /** From now on `stored` waits for a while only. */
  nodeEnds(): void {
    this.#nodeEnds.resolve();
  }

  /** Resolves when what was reported last is stored or the pod is gone from the API; with false when it is given up. */
  async stored(): Promise<boolean> {
    const { signal } = this.#d;
    const stored = this.#writer.flush().then(() => !signal.aborted);
    const givenUp = this.#nodeEnds.promise.then(() => sleep(LAST_STATUS_MS, signal)).then(() => false);
    return Promise.race([stored, givenUp]);
  }

  #observation(pod: Pod, waiting: ReadonlyMap<string, Waiting>): PodObservation {
    const { seen, health, terminationMessages, terminating, failure, failures } = this.#d.look();
    const { sandbox, runs } = seen;
    const isReady = sandbox?.state === 'ready';
    return {
      runtimeName: this.#d.runtimeName,
      podIPs: isReady ? sandbox.ips : (pod.status?.podIPs ?? []).map((p) => p.ip),
      hostIPs: this.#d.hostIPs,
      sandboxReady: isReady,
      runs,
      waiting: new Map([...failures, ...waiting]),
      health,
      terminationMessages,
      terminating,
      ...(failure === undefined ? {} : { failure }),
      now: this.#d.clock.now(),
    };
  }
}
