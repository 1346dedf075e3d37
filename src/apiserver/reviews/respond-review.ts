import type { KubeObject } from '../../api/object.ts';
import type { ResourceDefinition } from '../../api/scheme.ts';
import { negotiate } from '../content/accept.ts';
import { respondObject } from '../content/represent.ts';
import { readObject } from '../handlers/request-body.ts';
import { handleStrictErrors, writeOptions } from '../handlers/write-options.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';

/** A POST that asks a question: nothing is stored, the answer is the body with its `status` filled in. */
export async function respondReview(
  machinery: Machinery,
  request: ApiRequest,
  resource: ResourceDefinition,
  review: (object: KubeObject) => Promise<Record<string, unknown>>,
): Promise<void> {
  const { exchange, query } = request;
  const representation = negotiate(exchange.header('accept'), query, exchange.header('user-agent'), false);
  const options = writeOptions(request, 'CreateOptions');
  const { object, strictErrors } = await readObject(request, machinery, resource);
  handleStrictErrors(request, options, resource.kind, resource.version, strictErrors);
  const answered: KubeObject = { ...object, metadata: object.metadata ?? {}, status: await review(object) };
  await respondObject(machinery, request, 201, resource, { object: () => answered }, representation);
}
