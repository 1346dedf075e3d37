import type { KindHooks } from '../handlers/kind-hooks.ts';

/** A pod is deleted gracefully: its kubelet stops it, then deletes it for good with a period of 0. */
export const podHooks: KindHooks = {
  returnDeletedObject: true,
  gracePeriod(object, options) {
    const spec = (object['spec'] ?? {}) as { nodeName?: string; terminationGracePeriodSeconds?: number };
    const phase = (object['status'] as { phase?: string } | undefined)?.phase;
    // Nobody would stop a pod that has no node, and nothing is left to stop of one that has ended.
    if (spec.nodeName === undefined || spec.nodeName === '') return 0;
    if (phase === 'Failed' || phase === 'Succeeded') return 0;
    return options.gracePeriodSeconds ?? Math.max(0, spec.terminationGracePeriodSeconds ?? 0);
  },
};
