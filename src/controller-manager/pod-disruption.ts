import type { Pod } from '../api/generated/types.ts';
import { PODS } from '../client/resources.ts';
import { rfc3339 } from '../lib/clock.ts';
import type { ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

export interface Disruption {
  readonly reason: 'DeletionByTaintManager' | 'DeletionByPodGC';
  readonly message: string;
  /** The pod cannot end by itself any more: nobody runs it. */
  readonly failed: boolean;
}

/** Says on the pod that it goes through no fault of its own (`DisruptionTarget`), and why, before it is deleted. */
export async function markDisrupted(
  d: ControllerDependencies,
  pod: Pod,
  { reason, message, failed }: Disruption,
  signal: AbortSignal,
): Promise<void> {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason,
    message,
    lastTransitionTime: rfc3339(d.clock.now()),
  };
  await mark(d, pod, { conditions: [condition], ...(failed ? { phase: 'Failed' } : {}) }, signal);
}

/** Says that the pod has ended: of one that is removed and that nobody runs. */
export function markFailed(d: ControllerDependencies, pod: Pod, signal: AbortSignal): Promise<void> {
  return mark(d, pod, { phase: 'Failed' }, signal);
}

async function mark(d: ControllerDependencies, pod: Pod, status: object, signal: AbortSignal): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata;
  const where = { namespace, name, subresource: 'status' };
  const marking = d.client.patch(PODS, where, 'strategic', { metadata: { uid }, status }, signal);
  await ignoring(['NotFound', 'Conflict'], marking);
}
