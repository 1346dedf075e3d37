import type { Taint, Toleration } from '../api/generated/types.ts';

/** Whether one of the tolerations is for the taint: an empty key with `Exists` is for all, an empty effect for every effect. */
export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some((t) => {
    const { key = '', effect = '' as string, operator = 'Equal' as string, value = '' } = t;
    if (effect !== '' && effect !== taint.effect) return false;
    if (key !== '' && key !== taint.key) return false;
    return operator === 'Exists' || (operator === 'Equal' && value === (taint.value ?? ''));
  });
}
