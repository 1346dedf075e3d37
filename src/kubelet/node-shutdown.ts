import type { Pod } from '../api/generated/types.ts';
import { CausewayError } from '../lib/errors.ts';
import { parseGoDuration } from '../lib/go-duration.ts';
import { isCritical } from './eviction/rank.ts';
import type { PodFailure } from './pod-status.ts';

/** Kubernetes' flags, as they are written. */
export interface ShutdownFlags {
  readonly shutdownGracePeriod?: string;
  readonly shutdownGracePeriodCriticalPods?: string;
}

/** How long the pods of a node have when it shuts down for good. */
export interface ShutdownSettings {
  /** 0: pods end within their own grace periods, and go on when the node comes back. */
  readonly totalMs: number;
  /** What of it is kept for critical pods, which end last. */
  readonly criticalMs: number;
}

/** What becomes of a pod that a shutdown ends: controllers make another one elsewhere. */
export const NODE_SHUTDOWN: PodFailure = {
  reason: 'Terminated',
  message: 'Pod was terminated in response to imminent node shutdown.',
  isDisruption: true,
};

/** Reads the flags of graceful node shutdown. Throws one line that names the flag. */
export function shutdownSettings(flags: ShutdownFlags): ShutdownSettings {
  const total = '--shutdown-grace-period';
  const critical = '--shutdown-grace-period-critical-pods';
  const totalMs = period(total, flags.shutdownGracePeriod);
  const criticalMs = period(critical, flags.shutdownGracePeriodCriticalPods);
  if (criticalMs > totalMs) throw new CausewayError('BadRequest', `${critical}: cannot be greater than ${total}`);
  return { totalMs, criticalMs };
}

function period(flag: string, text = '0'): number {
  const ms = parseGoDuration(text);
  if (ms === undefined) throw new CausewayError('BadRequest', `${flag}: ${text} is no duration: use one like 1m30s`);
  if (ms > 0 && ms < 1_000) throw new CausewayError('BadRequest', `${flag}: must be 0 or at least 1s`);
  return ms;
}

/** Which pods end together, the first ones first, and how many seconds each of a group has at most. */
export function shutdownGroups<P extends { readonly pod: Pod; readonly isStatic: boolean }>(
  pods: readonly P[],
  { totalMs, criticalMs }: ShutdownSettings,
): readonly { readonly pods: readonly P[]; readonly graceSeconds: number }[] {
  const critical = pods.filter(({ pod, isStatic }) => isCritical(pod, isStatic));
  const plain = pods.filter((each) => !critical.includes(each));
  return [
    { pods: plain, graceSeconds: (totalMs - criticalMs) / 1000 },
    { pods: critical, graceSeconds: criticalMs / 1000 },
  ].filter((group) => group.pods.length > 0);
}
