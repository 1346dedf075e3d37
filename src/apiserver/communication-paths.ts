import type { KubeObject } from '../api/object.ts';
import type { ResourceDefinition } from '../api/scheme.ts';
import { notFound } from '../lib/errors.ts';
import type { PathRegistry } from '../paths/registry.ts';
import { includeObject, respondList, respondObject } from './content/represent.ts';
import type { HandlerContext } from './handlers/endpoint.ts';
import { listRequestOf, selectionOf } from './handlers/selection.ts';
import { frameFormat, timeoutSeconds, watchOptionsOf } from './handlers/watch.ts';
import { limits } from './limits.ts';
import type { ApiRequest } from './request.ts';
import { queryBoolean } from './request-info.ts';
import { lifeOf } from './request-life.ts';
import type { ResourceHandler } from './router.ts';
import { asCached, represent } from './unstored.ts';
import { listMode, watchMode } from './watch-cache/request-options.ts';
import type { CachedObject, CacheEventType } from './watch-cache/watch-cache.ts';

/** What is read of the registry of paths. */
export type PathReader = Pick<PathRegistry, 'list' | 'get' | 'subscribe' | 'revision'>;

/** `communicationpaths`: read-only, made by the registry from what listeners and dialers saw. (`kubectl get paths`) */
export function communicationPathHandlers(
  context: HandlerContext,
  paths: PathReader,
): { readonly get: ResourceHandler; readonly list: ResourceHandler; readonly watch: ResourceHandler } {
  const { machinery } = context;
  const select = (request: ApiRequest, resource: ResourceDefinition): CachedObject[] => {
    const { name, matches } = selectionOf(request, machinery, resource);
    return paths
      .list()
      .map(asCached)
      .filter((c) => (name === undefined || c.name === name) && (matches === undefined || matches(c)));
  };
  return {
    async get(request, { resource }) {
      const representation = represent(request);
      const object = paths.get(request.info.name);
      if (object === undefined) throw notFound(resource.group, resource.plural, request.info.name);
      await respondObject(machinery, request, 200, resource, { object: () => object }, representation);
    },
    async list(request, { resource }) {
      const representation = represent(request);
      listMode(listRequestOf(request, machinery, resource));
      const parts = { resourceVersion: String(paths.revision), continue: undefined, remainingItemCount: undefined };
      await respondList(machinery, request, resource, select(request, resource), parts, representation);
    },
    watch: (request, { resource }) => watchPaths(context, paths, request, resource, () => select(request, resource)),
  };
}

async function watchPaths(
  context: HandlerContext,
  paths: PathReader,
  request: ApiRequest,
  resource: ResourceDefinition,
  select: () => CachedObject[],
): Promise<void> {
  const { machinery } = context;
  const { exchange, query } = request;
  const representation = represent(request);
  const format = frameFormat(machinery, resource, representation, includeObject(query));
  const { name, matches } = selectionOf(request, machinery, resource);
  const mode = watchMode({ ...watchOptionsOf(query), signal: request.signal });
  const initial = mode.type === 'initial';
  const maxMs = timeoutSeconds(query) * 1000;
  const writer = exchange.stream(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  const life = lifeOf(context, request, maxMs);
  const send = (type: CacheEventType, object: KubeObject): void => {
    const cached = asCached(object);
    writer.write(
      format === undefined
        ? Buffer.from(`{"type":"${type}","object":${JSON.stringify(object)}}\n`)
        : format.encode(type, cached),
    );
    if (writer.backlog > limits.maxWatchBacklogBytes) life.end();
  };
  const seen = mode.type === 'from' ? mode.revision : paths.revision;
  const unsubscribe = paths.subscribe(({ type, object }) => {
    if (Number(object.metadata.resourceVersion ?? 0) <= seen) return;
    const cached = asCached(object);
    if ((name === undefined || cached.name === name) && (matches === undefined || matches(cached))) send(type, object);
  });
  if (initial) for (const item of select()) send('ADDED', item.object());
  if (initial && queryBoolean(query, 'allowWatchBookmarks')) {
    send('BOOKMARK', {
      apiVersion: `${resource.group}/${resource.version}`,
      kind: resource.kind,
      metadata: { resourceVersion: String(paths.revision), annotations: { 'k8s.io/initial-events-end': 'true' } },
    });
  }
  const { signal } = life;
  try {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    if (!request.signal.aborted) writer.end();
  } finally {
    unsubscribe();
  }
}
