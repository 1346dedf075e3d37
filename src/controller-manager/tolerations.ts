import type { Pod, Taint, Toleration } from '../api/generated/types.ts';

/** Whether a toleration is for a taint: an empty key with `Exists` is for all, an empty effect for every effect. */
function isFor(toleration: Toleration, taint: Taint): boolean {
  const { key = '', effect = '' as string, operator = 'Equal' as string, value = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  return operator === 'Exists' || (operator === 'Equal' && value === (taint.value ?? ''));
}

/**
 * How long a pod may stay on a node with these `NoExecute` taints, in ms from when they came: 0 when it does not tolerate one,
 * `Infinity` when it tolerates all for ever.
 */
export function tolerated(pod: Pod, taints: readonly Taint[]): number {
  const tolerations = pod.spec?.tolerations ?? [];
  const used: Toleration[] = [];
  for (const taint of taints) {
    const matching = tolerations.find((t) => isFor(t, taint));
    if (matching === undefined) return 0;
    used.push(matching);
  }
  const seconds = used.flatMap((t) => t.tolerationSeconds ?? []);
  return seconds.length === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.min(...seconds)) * 1000;
}
