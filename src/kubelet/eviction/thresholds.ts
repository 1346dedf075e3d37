import { Quantity, tryParseQuantity } from '../../api/quantity.ts';
import { CausewayError } from '../../lib/errors.ts';
import { parseGoDuration } from '../../lib/go-duration.ts';
import { isSignal, type Observation, SIGNALS, type Signal } from './signals.ts';

/** An amount, or a part of what there is in all: 0.1 for 10 %. */
export type ThresholdValue = { readonly quantity: Quantity } | { readonly part: number };

export interface Threshold {
  readonly signal: Signal;
  readonly value: ThresholdValue;
  /** Milliseconds that less must be available before a pod is evicted; 0 for a hard threshold. */
  readonly graceMs: number;
  /** How much more than `value` has to be available before nothing is evicted any more. */
  readonly minReclaim: ThresholdValue | undefined;
}

/** Kubernetes' flags, as they are written. */
export interface EvictionFlags {
  readonly evictionHard?: string;
  readonly evictionSoft?: string;
  readonly evictionSoftGracePeriod?: string;
  readonly evictionMinimumReclaim?: string;
  readonly evictionPressureTransitionPeriod?: string;
  readonly evictionMaxPodGracePeriod?: string;
}

export interface EvictionSettings {
  readonly thresholds: readonly Threshold[];
  /** How long a condition stays after it was seen last: pods shall not come back to be evicted again. */
  readonly transitionMs: number;
  /** Seconds that a pod which is evicted by a soft threshold may take to end. */
  readonly maxPodGraceSeconds: number;
}

/** Kubernetes' own on Linux. */
const DEFAULT_HARD =
  'memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%';
const DEFAULT_TRANSITION = '5m0s';

/** Reads the flags of eviction. Throws one line that names the flag. */
export function evictionSettings(flags: EvictionFlags): EvictionSettings {
  const hard = statements('--eviction-hard', flags.evictionHard ?? DEFAULT_HARD, '<', thresholdValue);
  const soft = statements('--eviction-soft', flags.evictionSoft ?? '', '<', thresholdValue);
  const grace = statements('--eviction-soft-grace-period', flags.evictionSoftGracePeriod ?? '', '=', duration);
  const reclaim = statements('--eviction-minimum-reclaim', flags.evictionMinimumReclaim ?? '', '=', reclaimValue);
  const thresholds: Threshold[] = [];
  const add = (signal: Signal, value: ThresholdValue | undefined, graceMs: number): void => {
    if (value !== undefined) thresholds.push({ signal, value, graceMs, minReclaim: reclaim.get(signal) });
  };
  for (const [signal, value] of hard) add(signal, value, 0);
  for (const [signal, value] of soft) {
    const graceMs = grace.get(signal);
    if (graceMs === undefined) {
      throw wrong('--eviction-soft', `grace period must be specified for the soft eviction threshold ${signal}`);
    }
    add(signal, value, graceMs);
  }
  const transition = flags.evictionPressureTransitionPeriod ?? DEFAULT_TRANSITION;
  const seconds = flags.evictionMaxPodGracePeriod ?? '0';
  if (!/^\d{1,9}$/.test(seconds))
    throw wrong('--eviction-max-pod-grace-period', `${seconds}: give a number of seconds`);
  return {
    thresholds,
    transitionMs: attempt('--eviction-pressure-transition-period', () => duration(transition)),
    maxPodGraceSeconds: Number(seconds),
  };
}

/** `memory.available<100Mi,nodefs.available<10%`: each signal once. */
function statements<T>(
  flag: string,
  text: string,
  separator: string,
  parse: (value: string, signal: Signal) => T,
): Map<Signal, T> {
  const found = new Map<Signal, T>();
  for (const statement of text.split(',').filter((each) => each.trim() !== '')) {
    const at = statement.indexOf(separator);
    if (at < 0) throw wrong(flag, `malformed pair ${statement}, expect string${separator}string`);
    const signal = statement.slice(0, at).trim();
    if (!isSignal(signal)) {
      throw wrong(flag, `unsupported eviction signal ${signal}: use ${Object.keys(SIGNALS).join(', ')}`);
    }
    if (found.has(signal)) throw wrong(flag, `${signal} is given twice`);
    found.set(
      signal,
      attempt(flag, () => parse(statement.slice(at + 1).trim(), signal)),
    );
  }
  return found;
}

/** Undefined for `0%` and `100%`, which turn a threshold off. */
function thresholdValue(text: string, signal: Signal): ThresholdValue | undefined {
  if (text === '0%' || text === '100%') return undefined;
  if (text.endsWith('%')) {
    const part = percentage(text);
    if (part < 0) throw new Error(`eviction percentage threshold ${signal} must be >= 0%: ${text}`);
    if (part > 1) throw new Error(`eviction percentage threshold ${signal} must be <= 100%: ${text}`);
    return { part };
  }
  const quantity = amount(text);
  if (quantity.sign() <= 0) throw new Error(`eviction threshold ${signal} must be positive: ${text}`);
  return { quantity };
}

function reclaimValue(text: string, signal: Signal): ThresholdValue {
  if (text.endsWith('%')) {
    const part = percentage(text);
    if (part <= 0) throw new Error(`eviction percentage minimum reclaim ${signal} must be positive: ${text}`);
    return { part };
  }
  const quantity = amount(text);
  if (quantity.sign() < 0) throw new Error(`negative eviction minimum reclaim specified for ${signal}`);
  return { quantity };
}

function percentage(text: string): number {
  const number = text.slice(0, -1);
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(number)) throw new Error(`${text} is no percentage`);
  return Number(number) / 100;
}

function amount(text: string): Quantity {
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) throw new Error(`${text} is no quantity: use one like 100Mi, or a percentage`);
  return quantity;
}

function duration(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined) throw new Error(`${text} is no duration: use one like 1m30s`);
  return ms;
}

function attempt<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw wrong(flag, error instanceof Error ? error.message : String(error));
  }
}

function wrong(flag: string, why: string): CausewayError {
  return new CausewayError('BadRequest', `${flag}: ${why}`);
}

/** A threshold's value as an amount of what was observed. */
export function amountOf(value: ThresholdValue, { capacity }: Observation): Quantity {
  return 'quantity' in value ? value.quantity : Quantity.fromNumber(Math.floor(capacity * value.part), 'BinarySI');
}
