import type { Node, Pod } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { deadline } from '../../lib/deadline.ts';
import { CausewayError, notFound } from '../../lib/errors.ts';
import { respondList, respondObject } from '../content/represent.ts';
import { type RouteNode, routeNode } from '../egress-selector.ts';
import type { HandlerContext } from '../handlers/endpoint.ts';
import { listRequestOf } from '../handlers/selection.ts';
import { type KubeletClient, kubeletError, readError } from '../kubelet-client.ts';
import type { ApiRequest } from '../request.ts';
import type { ResourceHandler } from '../router.ts';
import { asCached, represent } from '../unstored.ts';
import { listMode } from '../watch-cache/request-options.ts';
import type { CachedObject } from '../watch-cache/watch-cache.ts';
import { nodeUse, podUse, type Use } from './node-usage.ts';
import { type NodeReading, parseResourceText } from './resource-text.ts';
import { UsageSampler, type Window } from './usage-sampler.ts';

/** Ms for one look at a kubelet: one that is away must not keep those who ask about others. */
const LOOK_MS = 5_000;
/** Bytes of one answer of a kubelet: many times what the pods of a full node need. */
const MAX_ANSWER_BYTES = 4 << 20;

interface Handlers {
  readonly get: ResourceHandler;
  readonly list: ResourceHandler;
}

/**
 * `metrics.k8s.io/v1beta1`, as metrics-server serves it: what nodes and pods use, asked of the kubelets over the verified path and stored
 * nowhere. A node whose kubelet does not answer is left out, with its pods. (`kubectl top`)
 */
export function metricsHandlers(
  context: HandlerContext,
  kubelets: Pick<KubeletClient, 'request'>,
): { readonly nodes: Handlers; readonly pods: Handlers } {
  const { caches, clock, closing } = context;
  const sampler = new UsageSampler({ look: (node) => look(kubelets, node, closing), clock, closing });
  const nodeCache = caches.of({ group: '', apiVersion: 'v1', kind: 'Node', plural: 'nodes' });
  const podCache = caches.of({ group: '', apiVersion: 'v1', kind: 'Pod', plural: 'pods' });

  const nodeMetrics = async (nodes: readonly CachedObject[]): Promise<KubeObject[]> => {
    const windows = await sampler.windows(nodes.map((node) => routeNode(node.object())));
    return nodes.flatMap((node) => {
      const window = windows.get(node.name);
      const use = window === undefined ? undefined : nodeUse(window.before, window.now);
      return use === undefined ? [] : [nodeObject(node.object() as unknown as Node, use, clock.now())];
    });
  };
  const podMetrics = async (pods: readonly CachedObject[]): Promise<KubeObject[]> => {
    const running = pods
      .map((pod) => pod.object() as unknown as Pod)
      .filter((pod) => pod.status?.phase === 'Running' && (pod.spec?.nodeName ?? '') !== '');
    const routes = new Map<string, RouteNode>();
    for (const name of new Set(running.map((pod) => pod.spec?.nodeName ?? ''))) {
      const node = await nodeCache.get('', name);
      if (node !== undefined) routes.set(name, routeNode(node.object()));
    }
    const windows = await sampler.windows([...routes.values()]);
    // Of each pod only what the kubelet of its own node says: no kubelet speaks of another node's pods.
    return running.flatMap((pod) => podObject(pod, windows.get(pod.spec?.nodeName ?? ''), clock.now()));
  };
  return {
    nodes: handlers(context, nodeCache, nodeMetrics),
    pods: handlers(context, podCache, podMetrics),
  };
}

function handlers(
  context: HandlerContext,
  cache: ReturnType<HandlerContext['caches']['of']>,
  measure: (objects: readonly CachedObject[]) => Promise<KubeObject[]>,
): Handlers {
  const { machinery } = context;
  return {
    async get(request: ApiRequest, { resource }) {
      const representation = represent(request);
      const { namespace, name } = request.info;
      const about = await cache.get(resource.namespaced ? namespace : '', name);
      const [object] = about === undefined ? [] : await measure([about]);
      if (object === undefined) {
        throw notFound(resource.group, resource.plural, resource.namespaced ? `${namespace}/${name}` : name);
      }
      await respondObject(machinery, request, 200, resource, { object: () => object }, representation);
    },
    async list(request: ApiRequest, { resource }) {
      const representation = represent(request);
      const { namespace, name, matches, ...asked } = listRequestOf(request, machinery, resource);
      listMode(asked);
      // Pages would need a moment that is kept; who asks for them gets everything at once, as from metrics-server.
      const { items } = await cache.list({ namespace, name, matches, signal: request.signal });
      const objects = (await measure(items)).map(asCached);
      const parts = { resourceVersion: '', continue: undefined, remainingItemCount: undefined };
      await respondList(machinery, request, resource, objects, parts, representation);
    },
  };
}

function sample(use: Use, now: number, of: KubeObject['metadata']): Record<string, unknown> {
  const { name, namespace, labels } = of;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      creationTimestamp: rfc3339(now),
      ...(labels === undefined ? {} : { labels }),
    },
    timestamp: rfc3339(use.atMs),
    window: `${use.windowMs / 1000}s`,
  };
}

function usage({ cpuNanocores, memoryBytes }: Use): Record<string, string> {
  return { cpu: `${cpuNanocores}n`, memory: `${Math.ceil(memoryBytes / 1024)}Ki` };
}

const apiVersion = 'metrics.k8s.io/v1beta1';

function nodeObject({ metadata }: Node, use: Use, now: number): KubeObject {
  const about = metadata as KubeObject['metadata'];
  return { kind: 'NodeMetrics', apiVersion, ...sample(use, now, about), usage: usage(use) } as unknown as KubeObject;
}

function podObject({ metadata }: Pod, window: Window | undefined, now: number): KubeObject[] {
  const about = metadata as KubeObject['metadata'];
  const uses = window === undefined ? undefined : podUse(window.before, window.now, `${about.namespace}/${about.name}`);
  if (uses === undefined) return [];
  const shortest = [...uses.values()].reduce((a, b) => (b.windowMs < a.windowMs ? b : a));
  const containers = [...uses].map(([name, use]) => ({ name, usage: usage(use) }));
  return [{ kind: 'PodMetrics', apiVersion, ...sample(shortest, now, about), containers } as unknown as KubeObject];
}

async function look(
  kubelets: Pick<KubeletClient, 'request'>,
  node: RouteNode,
  closing: AbortSignal,
): Promise<NodeReading> {
  const signal = deadline(LOOK_MS, closing);
  const response = await kubelets.request(node, { method: 'GET', target: '/metrics/resource', headers: {} }, signal);
  try {
    if (response.statusCode !== 200) throw kubeletError(node, response.statusCode ?? 0, await readError(response));
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) throw new CausewayError('BadGateway', "the kubelet's metrics are too large");
      chunks.push(chunk);
    }
    return parseResourceText(Buffer.concat(chunks).toString());
  } finally {
    response.destroy();
  }
}
