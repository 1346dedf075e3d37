import type { Pod } from '../../api/generated/types.ts';
import { Quantity, tryParseQuantity } from '../../api/quantity.ts';
import { containersOf } from '../pod-config.ts';
import { type PodUse, requestOf, usedOf } from './pod-usage.ts';
import { type Observations, SIGNALS, type StarvedResource } from './signals.ts';
import { amountOf, type Threshold } from './thresholds.ts';

/** Priorities from here on are those of the system's own pods (`system-cluster-critical`). */
const SYSTEM_CRITICAL = 2_000_000_000;

/** A pod without which the node or the cluster does not work: it is never evicted. */
export function isCritical(pod: Pod, isStatic: boolean): boolean {
  return isStatic || (pod.spec?.priority ?? 0) >= SYSTEM_CRITICAL;
}

type UseOf = (pod: Pod) => PodUse | undefined;

/**
 * Pods in the order in which they are evicted: first those that use more than they asked for, then by priority, then by how much more they use.
 * One of which nothing is known comes first.
 */
export function rank<P extends { readonly pod: Pod }>(
  pods: readonly P[],
  resource: StarvedResource,
  useOf: UseOf,
): P[] {
  const keys = pods.map((each) => {
    const use = useOf(each.pod);
    const excess = use === undefined ? Number.POSITIVE_INFINITY : usedOf(use, resource) - requestOf(each.pod, resource);
    // Of processes nothing can be requested: priority decides.
    return { each, exceeds: resource === 'pids' || excess > 0, priority: each.pod.spec?.priority ?? 0, excess };
  });
  return keys
    .sort(
      (a, b) =>
        Number(b.exceeds) - Number(a.exceeds) ||
        a.priority - b.priority ||
        // Both may be infinite.
        (a.excess === b.excess ? 0 : b.excess - a.excess),
    )
    .map(({ each }) => each);
}

/** Why a pod is evicted, in Kubernetes' words. */
export function evictionMessage(
  pod: Pod,
  resource: StarvedResource,
  use: PodUse | undefined,
  thresholds: readonly Threshold[],
  observations: Observations,
): string {
  let message = `The node was low on resource: ${resource}. `;
  const threshold = thresholds.find(({ signal }) => SIGNALS[signal].resource === resource);
  const observed = threshold === undefined ? undefined : observations.get(threshold.signal);
  if (threshold !== undefined && observed !== undefined) {
    message += `Threshold quantity: ${amountOf(threshold.value, observed)}, available: ${quantity(observed.available, resource)}. `;
  }
  for (const container of containersOf(pod)) {
    const own = use?.containers.get(container.name);
    if (own === undefined || (resource !== 'memory' && resource !== 'ephemeral-storage')) continue;
    const used = resource === 'memory' ? own.memoryBytes : own.disk.bytes;
    const request = tryParseQuantity(container.resources?.requests?.[resource]);
    if (used <= (request?.toNumber() ?? 0)) continue;
    const asked = request?.toString() ?? '0';
    message += `Container ${container.name} was using ${quantity(used, resource)}, request is ${asked}, has larger consumption of ${resource}. `;
  }
  return message;
}

function quantity(value: number, resource: StarvedResource): string {
  const isBytes = resource === 'memory' || resource === 'ephemeral-storage';
  const whole = Number.isFinite(value) ? Math.ceil(value) : Number.MAX_SAFE_INTEGER;
  return Quantity.fromNumber(whole, isBytes ? 'BinarySI' : 'DecimalSI').toString();
}
