import { notFound } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondList, respondObject } from '../content/represent.ts';
import type { ApiRequest } from '../request.ts';
import type { Endpoint, HandlerContext } from './endpoint.ts';
import { listRequestOf } from './selection.ts';

/** GET of one object. Also of its `status`, which answers the whole object. */
export async function getObject(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { exchange, info } = request;
  const { resource } = endpoint;
  const representation = negotiate(exchange.header('accept'), info.query, exchange.header('user-agent'), true);
  const resourceVersion = info.query.get('resourceVersion') ?? undefined;
  const found = await endpoint.cache.get(
    resource.namespaced ? info.namespace : '',
    info.name,
    resourceVersion === undefined ? undefined : { resourceVersion, signal: request.signal },
  );
  if (found === undefined) throw notFound(resource.group, resource.plural, info.name);
  await respondObject(context.machinery, request, 200, resource, found, representation);
}

/** GET of a collection. */
export async function listObjects(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { exchange, info } = request;
  const representation = negotiate(exchange.header('accept'), info.query, exchange.header('user-agent'), true);
  const list = await endpoint.cache.list(listRequestOf(request, context.machinery, endpoint.resource));
  await respondList(context.machinery, request, endpoint.resource, list.items, list, representation);
}
