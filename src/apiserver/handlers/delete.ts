import type { KubeObject } from '../../api/object.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondObject, respondObjects } from '../content/represent.ts';
import { respondStatus } from '../content/respond-status.ts';
import type { ApiRequest } from '../request.ts';
import { success } from '../status.ts';
import { readDeleteOptions } from './delete-options.ts';
import type { Endpoint, HandlerContext } from './endpoint.ts';
import { removeObject } from './remove.ts';
import { listRequestOf } from './selection.ts';

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
    // Kubernetes says "accepted" only to those who asked in the oldest way that dependents go as well.
    const code = !removal.gone && options.orphanDependents === false ? 202 : 200;
    await respondObject(context.machinery, request, code, resource, { object: () => removal.object }, representation);
    return;
  }
  const { name = '', uid = '' } = removal.object.metadata;
  const group = resource.group === '' ? {} : { group: resource.group };
  respondStatus(context.machinery.codec, request, 200, success(200, { name, ...group, kind: resource.plural, uid }));
}

/** Deletions under way at once for one deletecollection. */
const PARALLEL = 16;

/** DELETE of a collection: each object that the selectors match, admission and preconditions for each. */
export async function deleteCollection(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
): Promise<void> {
  const { exchange, info } = request;
  const { resource } = endpoint;
  const representation = negotiate(exchange.header('accept'), info.query, exchange.header('user-agent'), true);
  const options = await readDeleteOptions(request, context.machinery);
  if (resource.namespaced && info.namespace === '') {
    throw new CausewayError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  }
  const list = await endpoint.cache.list(listRequestOf(request, context.machinery, resource));
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
        // Gone already is what was asked for. After any other error nothing more is deleted.
        if (!isCode(error, 'NotFound')) {
          next = list.items.length;
          throw error;
        }
        removed[i] = item.object();
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: Math.min(PARALLEL, list.items.length) }, worker));
  for (const outcome of workers) if (outcome.status === 'rejected') throw outcome.reason;
  await respondObjects(context.machinery, request, resource, removed, list, representation);
}
