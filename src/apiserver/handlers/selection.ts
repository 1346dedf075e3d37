import type { ResourceDefinition } from '../../api/scheme.ts';
import { CausewayError } from '../../lib/errors.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import type { CachedObject, ListRequest, Selection } from '../watch-cache/watch-cache.ts';

/** The label and field selectors of a request. Selectors that do not parse are refused: they must never match everything. */
export function selectionOf(request: ApiRequest, machinery: Machinery, resource: ResourceDefinition): Selection {
  const { info } = request;
  const labels = info.query.get('labelSelector') ?? '';
  const fields = info.query.get('fieldSelector') ?? '';
  const byLabels = labels === '' ? undefined : machinery.labelSelector(labels);
  const byFields = fields === '' ? undefined : machinery.fieldSelector(fields, resource);
  return {
    namespace: resource.namespaced ? info.namespace : '',
    name: info.name === '' ? undefined : info.name,
    matches:
      byLabels === undefined && byFields === undefined
        ? undefined
        : (cached: CachedObject) => {
            const object = cached.object();
            return (
              (byLabels === undefined || byLabels(object.metadata.labels)) &&
              (byFields === undefined || byFields(object))
            );
          },
  };
}

/** An integer of the query as Go reads it; undefined when there is none. */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d{1,18}$/.test(text)) {
    throw new CausewayError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

/** Which objects, of which moment, and how many of them: what a list shows and a deletecollection deletes. */
export function listRequestOf(request: ApiRequest, machinery: Machinery, resource: ResourceDefinition): ListRequest {
  const { query } = request.info;
  const limit = queryInteger(query, 'limit');
  queryInteger(query, 'timeoutSeconds');
  return {
    ...selectionOf(request, machinery, resource),
    resourceVersion: query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: query.get('resourceVersionMatch') ?? undefined,
    sendInitialEvents: query.has('sendInitialEvents'),
    limit: limit === undefined ? undefined : Math.max(0, limit),
    continue: query.get('continue') ?? undefined,
    signal: request.signal,
  };
}
