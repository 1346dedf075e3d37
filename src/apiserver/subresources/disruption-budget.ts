import type { Pod, PodDisruptionBudget } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import { matchesLabelSelector } from '../../api/selector/label-selector.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import { type Endpoint, endpointOf, type HandlerContext } from '../handlers/endpoint.ts';
import { updateObject } from '../handlers/write.ts';
import type { ApiRequest } from '../request.ts';
import { findPod } from './pod-target.ts';

/** Evictions that the controller has not confirmed yet: bounds the map in a budget's status, as in Kubernetes. */
const MAX_UNCONFIRMED = 2_000;
const RETRY_SECONDS = 10;
const IDLE_PHASES: ReadonlySet<string> = new Set(['Pending', 'Succeeded', 'Failed']);

/**
 * Whether a budget was asked: `taken`, one disruption was taken from it; `unhealthy`, the pod counts for nothing as it is now, so only in this
 * very state may it go; `free`, none covers it. Throws 429 when the budget has no disruption left, or does not know yet.
 */
export type Permission = 'taken' | 'unhealthy' | 'free';

export async function takeDisruption(
  context: HandlerContext,
  pods: Endpoint,
  request: ApiRequest,
  dryRun: boolean,
): Promise<Permission> {
  const { namespace, name } = request.info;
  const pod = (await findPod(pods.cache, namespace, name)) as unknown as Pod;
  // It serves nobody: its end disrupts nothing.
  if (pod.metadata.deletionTimestamp !== undefined || IDLE_PHASES.has(pod.status?.phase ?? '')) return 'free';
  const endpoint = budgets(context);
  const { items } = await endpoint.cache.list({ namespace });
  const covering = items
    .map((item) => item.object() as unknown as PodDisruptionBudget)
    .filter((budget) => matchesLabelSelector(budget.spec?.selector, pod.metadata.labels));
  const [budget, ...more] = covering;
  if (budget === undefined) return 'free';
  if (more.length > 0) {
    const text = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw new CausewayError('InternalError', text);
  }
  if (!isReady(pod) && mayGoUnhealthy(budget)) return 'unhealthy';
  await updateObject(context, endpoint, request, {
    namespace,
    name: budget.metadata.name ?? '',
    subresource: 'status',
    dryRun,
    unconditional: true,
    ownChange: true,
    uid: budget.metadata.uid,
    next: (current) => withOneLess(current, name, context.clock.now()),
  });
  await updateObject(context, pods, request, {
    namespace,
    name,
    subresource: 'status',
    dryRun,
    unconditional: true,
    ownChange: true,
    uid: pod.metadata.uid,
    next: (current) => disrupted(current, context.clock.now()),
  });
  return 'taken';
}

/** The pod, saying that it goes through no fault of its own. */
function disrupted(object: KubeObject, now: number): KubeObject {
  const status = (object as unknown as Pod).status ?? {};
  const condition = {
    type: 'DisruptionTarget',
    status: 'True' as const,
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: rfc3339(now),
  };
  const others = (status.conditions ?? []).filter(({ type }) => type !== condition.type);
  object['status'] = { ...status, conditions: [...others, condition] };
  return object;
}

function budgets(context: HandlerContext): Endpoint {
  const resource = context.machinery.scheme.find('policy', 'v1', 'poddisruptionbudgets');
  if (resource === undefined) throw new Error('the scheme has no poddisruptionbudgets');
  return endpointOf(context, resource);
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

/** A pod that is not ready takes nothing from a budget whose others suffice, or that says so. */
function mayGoUnhealthy({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

/** The budget after one more eviction. */
function withOneLess(object: KubeObject, pod: string, now: number): KubeObject {
  const budget = object as unknown as PodDisruptionBudget;
  const { name = '', generation = 0 } = budget.metadata;
  const status = budget.status ?? {};
  const { disruptionsAllowed = 0, disruptedPods = {}, observedGeneration = 0 } = status;
  if (observedGeneration < generation) {
    throw wouldViolate(`The disruption budget ${name} is still being processed by the server.`, RETRY_SECONDS);
  }
  if (Object.keys(disruptedPods).length > MAX_UNCONFIRMED) {
    const text = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw new CausewayError('Forbidden', `poddisruptionbudgets.policy "${name}" is forbidden: ${text}`);
  }
  if (disruptionsAllowed <= 0) {
    const { desiredHealthy = 0, currentHealthy = 0 } = status;
    throw wouldViolate(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
  }
  budget.status = {
    ...status,
    disruptionsAllowed: disruptionsAllowed - 1,
    disruptedPods: Object.fromEntries([...Object.entries(disruptedPods), [pod, rfc3339(now)]]),
  } as NonNullable<PodDisruptionBudget['status']>;
  return object;
}

function wouldViolate(why: string, retryAfterSeconds?: number): CausewayError {
  return new CausewayError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    details: {
      causes: [{ reason: 'DisruptionBudget', message: why, field: '' }],
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
  });
}
