import type { KubeObject } from '../../api/object.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondObject } from '../content/represent.ts';
import { respondJson } from '../content/respond.ts';
import type { ApiRequest } from '../request.ts';
import { readDeleteOptions } from './delete-options.ts';
import type { Endpoint, HandlerContext } from './endpoint.ts';
import { removeObject } from './remove.ts';
import { selectionOf } from './selection.ts';

/** DELETE of one object. Answers the object while it lives on, a Status once it is gone. */
export async function deleteObject(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { exchange, info } = request;
  const { resource } = endpoint;
  const representation = negotiate(exchange.header('accept'), info.query, exchange.header('user-agent'), true);
  const options = await readDeleteOptions(request, context.machinery);
  const removal = await removeObject(
    context,
    endpoint,
    request,
    { namespace: info.namespace, name: info.name },
    options,
  );
  if (!removal.gone || endpoint.hooks.returnDeletedObject === true) {
    await respondObject(context.machinery, request, 200, resource, { object: () => removal.object }, representation);
    return;
  }
  await respondJson(request, 200, deletedStatus(endpoint, removal.object));
}

function deletedStatus(endpoint: Endpoint, object: KubeObject): unknown {
  const { resource } = endpoint;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: object.metadata.name,
      ...(resource.group === '' ? {} : { group: resource.group }),
      kind: resource.plural,
      uid: object.metadata.uid,
    },
  };
}

/** Deletions under way at once for one deletecollection. */
const PARALLEL = 16;

/** DELETE of a collection: each object that the selectors match, admission and preconditions for each. */
export async function deleteCollection(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
): Promise<void> {
  const { info } = request;
  const { resource } = endpoint;
  const options = await readDeleteOptions(request, context.machinery);
  if (resource.namespaced && info.namespace === '') {
    throw new CausewayError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  }
  const list = await endpoint.cache.list(selectionOf(request, context.machinery, resource));
  const removed: KubeObject[] = new Array(list.items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < list.items.length) {
      const i = next++;
      const item = list.items[i] as (typeof list.items)[number];
      try {
        const where = { namespace: item.namespace, name: item.name };
        removed[i] = (await removeObject(context, endpoint, request, where, options)).object;
      } catch (error) {
        // Gone already is what was asked for.
        if (!isCode(error, 'NotFound')) throw error;
        removed[i] = item.object();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, list.items.length) }, worker));
  await respondJson(request, 200, {
    kind: `${resource.kind}List`,
    apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
    metadata: { resourceVersion: list.resourceVersion },
    items: removed,
  });
}
