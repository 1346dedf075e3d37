import { CausewayError, notFound } from '../../lib/errors.ts';
import { negotiate } from '../content/accept.ts';
import { respondList, respondObject } from '../content/represent.ts';
import type { ApiRequest } from '../request.ts';
import type { Endpoint, HandlerContext } from './endpoint.ts';
import { selectionOf } from './selection.ts';

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

function limitOf(query: URLSearchParams): number | undefined {
  const text = query.get('limit');
  if (text === null || text === '') return undefined;
  if (!/^-?\d{1,18}$/.test(text)) {
    throw new CausewayError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Math.max(0, Number(text));
}

/** GET of a collection. */
export async function listObjects(context: HandlerContext, endpoint: Endpoint, request: ApiRequest): Promise<void> {
  const { exchange, info } = request;
  const representation = negotiate(exchange.header('accept'), info.query, exchange.header('user-agent'), true);
  const list = await endpoint.cache.list({
    ...selectionOf(request, context.machinery, endpoint.resource),
    resourceVersion: info.query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: info.query.get('resourceVersionMatch') ?? undefined,
    limit: limitOf(info.query),
    continue: info.query.get('continue') ?? undefined,
    signal: request.signal,
  });
  await respondList(context.machinery, request, endpoint.resource, list.items, list, representation);
}
