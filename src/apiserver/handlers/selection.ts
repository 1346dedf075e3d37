import type { ResourceDefinition } from '../../api/scheme.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import type { CachedObject, Selection } from '../watch-cache/watch-cache.ts';

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
