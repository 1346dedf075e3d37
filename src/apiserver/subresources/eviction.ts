import { CausewayError } from '../../lib/errors.ts';
import { respondStatus } from '../content/respond-status.ts';
import { fromObject } from '../handlers/delete-options.ts';
import { admissionAttributes, type HandlerContext } from '../handlers/endpoint.ts';
import { removeObject } from '../handlers/remove.ts';
import { readObject } from '../handlers/request-body.ts';
import { settleNamespace } from '../handlers/write.ts';
import { handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import type { ResourceHandler } from '../router.ts';
import { success } from '../status.ts';

const evictionKind = { group: 'policy', version: 'v1', kind: 'Eviction' } as const;

/**
 * POST pods/NAME/eviction: a deletion that a PodDisruptionBudget may forbid (`kubectl drain`). Budgets are refused on create until they are
 * enforced, so none can be overlooked here.
 */
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
    await removeObject(context, endpoint, request, { namespace, name }, { ...deletion, dryRun });
    respondStatus(context.machinery.codec, request, 201, success(201));
  };
}
