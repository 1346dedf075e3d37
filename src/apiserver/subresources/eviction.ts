import { CausewayError, isCode } from '../../lib/errors.ts';
import { respondStatus } from '../content/respond-status.ts';
import { type DeleteOptions, fromObject } from '../handlers/delete-options.ts';
import { admissionAttributes, type Endpoint, type HandlerContext } from '../handlers/endpoint.ts';
import { removeObject } from '../handlers/remove.ts';
import { readObject } from '../handlers/request-body.ts';
import { settleNamespace } from '../handlers/write.ts';
import { handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import type { ApiRequest } from '../request.ts';
import type { ResourceHandler } from '../router.ts';
import { success } from '../status.ts';
import { takeDisruption } from './disruption-budget.ts';
import { findPod } from './pod-target.ts';

const evictionKind = { group: 'policy', version: 'v1', kind: 'Eviction' } as const;

const MAX_ATTEMPTS = 10;

/** POST pods/NAME/eviction: a deletion that a PodDisruptionBudget may forbid (`kubectl drain`). */
export function evictionHandler(context: HandlerContext): ResourceHandler {
  return async (request, endpoint) => {
    const { name, namespace } = request.info;
    const options = writeOptions(request, 'CreateOptions');
    const { object, strictErrors } = await readObject(request, context.machinery, evictionKind);
    handleStrictErrors(request, options, 'Eviction', 'v1', strictErrors);
    settleNamespace(object, namespace, true);
    if (object.metadata.name !== name) {
      throw new CausewayError('BadRequest', 'name in URL does not match name in Eviction object');
    }
    const deletion = fromObject((object['deleteOptions'] ?? {}) as Record<string, unknown>);
    const dryRun = options.dryRun || deletion.dryRun;
    await context.admission.run(
      admissionAttributes(request, endpoint.resource, {
        operation: 'CREATE',
        namespace,
        name,
        object,
        oldObject: undefined,
        dryRun,
        kind: evictionKind,
      }),
    );
    await evict(context, endpoint, request, { ...deletion, dryRun });
    respondStatus(context.machinery.codec, request, 201, success(201));
  };
}

async function evict(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  options: DeleteOptions,
): Promise<void> {
  const { namespace, name } = request.info;
  for (let attempt = 1; ; attempt++) {
    const pod = (await findPod(endpoint.cache, namespace, name)).metadata;
    // Another pod than the one that is meant takes nothing from a budget; the deletion says what is wrong.
    const isMeant = (options.uid ?? pod.uid) === pod.uid;
    const permission = isMeant ? await takeDisruption(context, endpoint, request, options.dryRun) : 'free';
    // What an unhealthy pod may, it may only while it is unhealthy: the version says so.
    const version = options.resourceVersion ?? (permission === 'unhealthy' ? pod.resourceVersion : undefined);
    try {
      await removeObject(context, endpoint, request, { namespace, name }, { ...options, resourceVersion: version });
      return;
    } catch (error) {
      const ownVersion = permission === 'unhealthy' && options.resourceVersion === undefined;
      if (!isCode(error, 'Conflict') || !ownVersion || attempt >= MAX_ATTEMPTS) throw error;
    }
  }
}
