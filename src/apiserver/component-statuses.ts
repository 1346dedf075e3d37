import type { ComponentStatus } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import { notFound } from '../lib/errors.ts';
import type { Store } from '../storage/store.ts';
import type { PathReader } from './communication-paths.ts';
import { respondList, respondObject } from './content/represent.ts';
import type { HandlerContext } from './handlers/endpoint.ts';
import { listRequestOf } from './handlers/selection.ts';
import type { ResourceHandler } from './router.ts';
import { asCached, represent } from './unstored.ts';
import { listMode } from './watch-cache/request-options.ts';

/** Components that hold a connection to the apiserver as long as they work: by their name, the path that shows it. */
const CONNECTED: readonly (readonly [name: string, path: string])[] = [
  ['controller-manager', 'controller-manager-to-apiserver'],
  ['scheduler', 'scheduler-to-apiserver'],
];

/** `componentstatuses`, which Kubernetes deprecates and people still ask for: what is seen of each component now. */
export function componentStatusHandlers(
  context: HandlerContext,
  paths: Pick<PathReader, 'get'>,
  store: Pick<Store, 'get'>,
): { readonly get: ResourceHandler; readonly list: ResourceHandler } {
  const { machinery } = context;
  const statuses = async (): Promise<KubeObject[]> => [
    ...CONNECTED.map(([name, path]) =>
      statusOf(name, (paths.get(path)?.status.connections.active ?? 0) > 0 ? undefined : 'it is not connected'),
    ),
    statusOf(
      'etcd-0',
      await store.get('/registry/health').then(
        () => undefined,
        () => 'storage does not answer',
      ),
    ),
  ];
  return {
    async get(request, { resource }) {
      const representation = represent(request);
      const object = (await statuses()).find((s) => s.metadata.name === request.info.name);
      if (object === undefined) throw notFound(resource.group, resource.plural, request.info.name);
      await respondObject(machinery, request, 200, resource, { object: () => object }, representation);
    },
    async list(request, { resource }) {
      const representation = represent(request);
      const asked = listRequestOf(request, machinery, resource);
      listMode(asked);
      const { name, matches } = asked;
      const selected = (await statuses())
        .map(asCached)
        .filter((c) => (name === undefined || c.name === name) && (matches === undefined || matches(c)));
      const parts = { resourceVersion: '', continue: undefined, remainingItemCount: undefined };
      await respondList(machinery, request, resource, selected, parts, representation);
    },
  };
}

function statusOf(name: string, problem: string | undefined): KubeObject {
  const condition =
    problem === undefined
      ? { type: 'Healthy', status: 'True', message: 'ok' }
      : { type: 'Healthy', status: 'False', message: problem };
  const status: ComponentStatus = {
    apiVersion: 'v1',
    kind: 'ComponentStatus',
    metadata: { name },
    conditions: [condition],
  };
  return status as unknown as KubeObject;
}
