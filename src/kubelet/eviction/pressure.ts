import { type Observations, type PressureCondition, SIGNALS } from './signals.ts';
import { amountOf, type EvictionSettings, type Threshold } from './thresholds.ts';

/** Which thresholds are met, for how long, and what the node says of it. No I/O: what is observed, and when, is given. */
export class Pressure {
  readonly #settings: EvictionSettings;
  /** Thresholds that were met and whose minimum was not reclaimed yet. */
  #unresolved: readonly Threshold[] = [];
  #firstMetAt = new Map<Threshold, number>();
  readonly #seenAt = new Map<PressureCondition, number>();
  #conditions: ReadonlySet<PressureCondition> = new Set();

  constructor(settings: EvictionSettings) {
    this.#settings = settings;
  }

  /** What the node says now. */
  get conditions(): ReadonlySet<PressureCondition> {
    return this.#conditions;
  }

  /** Takes note of what is observed now. Answers the thresholds that something has to be reclaimed for, the most urgent first. */
  observe(observations: Observations, now: number): readonly Threshold[] {
    const { thresholds, transitionMs } = this.#settings;
    const unresolved = thresholdsMet(this.#unresolved, observations, true);
    const met = [...new Set([...thresholdsMet(thresholds, observations, false), ...unresolved])];
    this.#firstMetAt = new Map(met.map((threshold) => [threshold, this.#firstMetAt.get(threshold) ?? now]));
    for (const { signal } of met) this.#seenAt.set(SIGNALS[signal].condition, now);
    for (const [condition, at] of this.#seenAt) {
      // One that is there now is said whatever the period is.
      if (at !== now && now - at >= transitionMs) this.#seenAt.delete(condition);
    }
    this.#conditions = new Set(this.#seenAt.keys());
    this.#unresolved = met.filter((threshold) => now - (this.#firstMetAt.get(threshold) ?? now) >= threshold.graceMs);
    return [...this.#unresolved].sort((a, b) => urgency(a) - urgency(b));
  }
}

function urgency({ signal }: Threshold): number {
  return signal === 'memory.available' ? 0 : 1;
}

/** The thresholds that less is available than; `reclaiming`: less than with the minimum that has to be reclaimed on top. */
export function thresholdsMet(
  thresholds: readonly Threshold[],
  observations: Observations,
  reclaiming: boolean,
): Threshold[] {
  return thresholds.filter(({ signal, value, minReclaim }) => {
    const observed = observations.get(signal);
    if (observed === undefined) return false;
    const extra = reclaiming && minReclaim !== undefined ? amountOf(minReclaim, observed).toNumber() : 0;
    return observed.available < amountOf(value, observed).toNumber() + extra;
  });
}
