import type { KubeObject } from '../../api/object.ts';
import { invalid } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondObject } from '../content/represent.ts';
import { admissionAttributes, type Endpoint, type HandlerContext } from '../handlers/endpoint.ts';
import { readObject } from '../handlers/request-body.ts';
import { settleNamespace } from '../handlers/write.ts';
import { handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import type { ApiRequest } from '../request.ts';

/** A POST that asks a question: nothing is stored, the answer is the body with its `status` filled in. */
export async function respondReview(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  review: (object: KubeObject) => Promise<Record<string, unknown>>,
): Promise<void> {
  const { exchange, query, info } = request;
  const { resource, behaviour } = endpoint;
  const representation = negotiate(exchange.header('accept'), query, exchange.header('user-agent'), false);
  const options = writeOptions(request, 'CreateOptions');
  const { object, strictErrors } = await readObject(request, context.machinery, resource);
  handleStrictErrors(request, options, resource.kind, resource.version, strictErrors);
  settleNamespace(object, info.namespace, resource.namespaced);
  const attributes = admissionAttributes(request, resource, {
    operation: 'CREATE',
    namespace: info.namespace,
    name: object.metadata.name ?? '',
    object,
    oldObject: undefined,
    dryRun: options.dryRun,
  });
  await context.admission.admit(attributes);
  const causes = behaviour.validateCreate(object);
  if (causes.length > 0) throw invalid(resource.group, resource.kind, '', causes);
  await context.admission.validate(attributes);
  const status = await review(object);
  const answered: KubeObject = { ...object, status };
  await respondObject(context.machinery, request, 201, resource, { object: () => answered }, representation);
}
