import type { KubeObject } from '../../api/object.ts';
import { CausewayError, notFound } from '../../lib/errors.ts';
import { type RouteNode, routeNode } from '../egress-selector.ts';
import type { HandlerContext } from '../handlers/endpoint.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';

interface PodSpec {
  nodeName?: string;
  containers?: { name: string }[];
  initContainers?: { name: string }[];
  ephemeralContainers?: { name: string }[];
}

function names(containers: readonly { name: string }[] | undefined): string[] {
  return (containers ?? []).map((c) => c.name);
}

export async function findPod(pods: WatchCache, namespace: string, name: string): Promise<KubeObject> {
  const pod = await pods.get(namespace, name);
  if (pod === undefined) throw notFound('', 'pods', name);
  return pod.object();
}

/** The container that a request means: the one it names, or the only one there is. */
export function containerOf(pod: KubeObject, asked: string): string {
  const spec = (pod['spec'] ?? {}) as PodSpec;
  const podName = pod.metadata.name;
  const containers = names(spec.containers);
  const init = names(spec.initContainers);
  if (asked !== '') {
    if ([...containers, ...init, ...names(spec.ephemeralContainers)].includes(asked)) return asked;
    throw new CausewayError('BadRequest', `container ${asked} is not valid for pod ${podName}`);
  }
  if (containers.length === 1) return containers[0] as string;
  if (containers.length === 0) {
    throw new CausewayError('BadRequest', `a container name must be specified for pod ${podName}`);
  }
  const orInit = init.length === 0 ? '' : ` or one of the init containers: [${init.join(' ')}]`;
  throw new CausewayError(
    'BadRequest',
    `a container name must be specified for pod ${podName}, choose one of: [${containers.join(' ')}]${orInit}`,
  );
}

export function nodeNameOf(pod: KubeObject): string {
  return ((pod['spec'] ?? {}) as PodSpec).nodeName ?? '';
}

/** The node that a pod runs on, as it registered itself. */
export async function nodeOf(context: HandlerContext, pod: KubeObject): Promise<RouteNode> {
  const name = nodeNameOf(pod);
  if (name === '') {
    throw new CausewayError('BadRequest', `pod ${pod.metadata.name} does not have a host assigned`);
  }
  const nodes = context.caches.of({ group: '', apiVersion: 'v1', kind: 'Node', plural: 'nodes' });
  const node = await nodes.get('', name);
  if (node === undefined) throw notFound('', 'nodes', name);
  return routeNode(node.object());
}
