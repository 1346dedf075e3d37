import type { Pod } from '../../api/generated/types.ts';
import type { Clock } from '../../lib/clock.ts';
import { sleep } from '../../lib/deadline.ts';
import type { Log } from '../../lib/log.ts';
import type { PodFailure } from '../pod-status.ts';
import { qosClass } from '../pod-status.ts';
import { diskExcess, limitsDisk } from './local-storage.ts';
import type { PodUse } from './pod-usage.ts';
import { Pressure, thresholdsMet } from './pressure.ts';
import { evictionMessage, isCritical, rank } from './rank.ts';
import { type Observations, type PressureCondition, SIGNALS, type StarvedResource } from './signals.ts';
import type { EvictionSettings, Threshold } from './thresholds.ts';

/** How often the node is looked at, as Kubernetes' kubelet does. */
const INTERVAL_MS = 10_000;
/** How long the next look waits for a pod that was evicted to be gone. */
const CLEANUP_MS = 30_000;
/** Seconds for a pod that has to go at once. */
const HARD_GRACE_SECONDS = 1;
const REASON = 'Evicted';

/** A pod of this node that has not ended. */
export interface EvictablePod {
  readonly pod: Pod;
  readonly isStatic: boolean;
  /** Resolves when nothing of it is left but its logs. */
  evict(failure: PodFailure, graceSeconds: number): Promise<void>;
}

export interface EvictionDependencies {
  readonly settings: EvictionSettings;
  readonly observe: () => Promise<Observations>;
  readonly pods: () => readonly EvictablePod[];
  /** What pods use, by UID; of disks only with `withDisk`. */
  readonly measure: (pods: readonly EvictablePod[], withDisk: boolean) => Promise<ReadonlyMap<string, PodUse>>;
  /** Gives back what nobody needs, such as images, before pods have to go. */
  readonly reclaim: (resource: StarvedResource) => Promise<void>;
  /** The conditions are others now. */
  readonly changed: () => void;
  /** An event about the node. */
  readonly tell: (reason: string, message: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps the node working when its memory, disk or processes run out: says so, takes no more pods, and ends pods, one at a time. */
export class EvictionManager {
  readonly #d: EvictionDependencies;
  readonly #pressure: Pressure;

  constructor(dependencies: EvictionDependencies) {
    this.#d = dependencies;
    this.#pressure = new Pressure(dependencies.settings);
  }

  get conditions(): ReadonlySet<PressureCondition> {
    return this.#pressure.conditions;
  }

  /** Why a new pod is not run now. */
  refused(pod: Pod, isStatic: boolean): PodFailure | undefined {
    const conditions = [...this.#pressure.conditions];
    if (conditions.length === 0 || isCritical(pod, isStatic)) return undefined;
    const onlyMemory = conditions.length === 1 && conditions[0] === 'MemoryPressure';
    if (onlyMemory && (qosClass(pod) !== 'BestEffort' || toleratesMemoryPressure(pod))) return undefined;
    return { reason: REASON, message: `The node had condition: [${conditions.join(' ')}]. ` };
  }

  /** Looks until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const every = async (look: () => Promise<boolean>): Promise<void> => {
      do {
        // After an eviction the next look follows at once: it waited for the pod to be gone.
        while (!signal.aborted && (await this.#safely(look)));
      } while (await sleep(INTERVAL_MS, signal));
    };
    await Promise.all([every(() => this.relieve(signal)), every(() => this.enforceLimits(signal))]);
  }

  /** One look at the node. Answers whether a pod was evicted. */
  async relieve(signal: AbortSignal): Promise<boolean> {
    const { observe, clock, changed, tell, log } = this.#d;
    const observations = await observe();
    const before = [...this.conditions].join();
    const thresholds = this.#pressure.observe(observations, clock.now());
    if ([...this.conditions].join() !== before) changed();
    const [threshold] = thresholds;
    if (threshold === undefined) return false;
    const { resource } = SIGNALS[threshold.signal];
    log.warn('eviction: attempting to reclaim', { resource, signal: threshold.signal });
    tell('EvictionThresholdMet', `Attempting to reclaim ${resource}`);
    if (await this.#isRelieved(resource)) return false;
    return this.#evictOne(threshold, thresholds, observations, signal);
  }

  /** One look at what pods that limit their disk take of it. Answers whether some were evicted. */
  async enforceLimits(signal: AbortSignal): Promise<boolean> {
    const { pods, measure } = this.#d;
    const limited = pods().filter(({ pod, isStatic }) => limitsDisk(pod) && !isCritical(pod, isStatic));
    if (limited.length === 0) return false;
    const uses = await measure(limited, true);
    const over = limited.flatMap((each) => {
      const use = uses.get(uidOf(each));
      const message = use === undefined ? undefined : diskExcess(each.pod, use);
      return message === undefined ? [] : [{ each, message }];
    });
    await this.#gone(
      over.map(({ each, message }) => this.#evict(each, { reason: REASON, message }, HARD_GRACE_SECONDS)),
      signal,
    );
    return over.length > 0;
  }

  /** Whether there is enough again once what nobody needs is gone. */
  async #isRelieved(resource: StarvedResource): Promise<boolean> {
    if (resource !== 'ephemeral-storage' && resource !== 'inodes') return false;
    const { reclaim, observe, settings, log } = this.#d;
    await reclaim(resource).catch((error: unknown) =>
      log.warn('eviction: reclaiming failed', { error: String(error) }),
    );
    return thresholdsMet(settings.thresholds, await observe(), true).length === 0;
  }

  async #evictOne(
    threshold: Threshold,
    thresholds: readonly Threshold[],
    observations: Observations,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { pods, measure, settings, log } = this.#d;
    const { resource } = SIGNALS[threshold.signal];
    const evictable = pods().filter(({ pod, isStatic }) => !isCritical(pod, isStatic));
    const uses = await measure(evictable, resource === 'ephemeral-storage' || resource === 'inodes');
    const [worst] = rank(evictable, resource, ({ metadata }) => uses.get(metadata.uid ?? ''));
    if (worst === undefined) {
      log.warn('eviction: no pod can be evicted', { resource });
      return false;
    }
    const message = evictionMessage(worst.pod, resource, uses.get(uidOf(worst)), thresholds, observations);
    const soft = Math.min(settings.maxPodGraceSeconds, worst.pod.spec?.terminationGracePeriodSeconds ?? 30);
    const grace = threshold.graceMs === 0 ? HARD_GRACE_SECONDS : soft;
    await this.#gone([this.#evict(worst, { reason: REASON, message, isDisruption: true }, grace)], signal);
    return true;
  }

  #evict(each: EvictablePod, failure: PodFailure, graceSeconds: number): Promise<void> {
    const { namespace, name } = each.pod.metadata;
    this.#d.log.warn('eviction: a pod is evicted', { pod: `${namespace}/${name}`, why: failure.message.trim() });
    return each.evict(failure, graceSeconds);
  }

  async #gone(evictions: readonly Promise<void>[], signal: AbortSignal): Promise<void> {
    if (evictions.length === 0) return;
    const waiting = new AbortController();
    await Promise.race([Promise.allSettled(evictions), sleep(CLEANUP_MS, AbortSignal.any([signal, waiting.signal]))]);
    waiting.abort();
  }

  async #safely(look: () => Promise<boolean>): Promise<boolean> {
    try {
      return await look();
    } catch (error) {
      this.#d.log.error('eviction: the node could not be looked at', { error: String(error) });
      return false;
    }
  }
}

function uidOf({ pod }: EvictablePod): string {
  return pod.metadata.uid ?? '';
}

function toleratesMemoryPressure(pod: Pod): boolean {
  return (pod.spec?.tolerations ?? []).some(
    ({ key = '', operator = 'Equal', value = '', effect = '' }) =>
      (key === '' ? operator === 'Exists' : key === 'node.kubernetes.io/memory-pressure') &&
      (operator === 'Exists' || value === '') &&
      (effect === '' || effect === 'NoSchedule'),
  );
}
