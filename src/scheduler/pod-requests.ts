import type { Container, Node, Pod } from '../api/generated/types.ts';
import { tryParseQuantity } from '../api/quantity.ts';

/** Whole amounts by resource name: `cpu` in thousandths of a core, the others in their own unit. Sums are exact. */
export type Resources = ReadonlyMap<string, number>;

/** What a container that asks for nothing counts as when nodes are rated, so that such pods do not all land on one node. */
const RATED_CPU = 100;
const RATED_MEMORY = 200 * 1024 * 1024;

export function addResources(into: Map<string, number>, from: Resources, sign: 1 | -1 = 1): void {
  for (const [name, amount] of from) into.set(name, (into.get(name) ?? 0) + sign * amount);
}

type ResourceList = Readonly<Record<string, unknown>> | undefined;

function resourcesOf(list: ResourceList): Map<string, number> {
  const resources = new Map<string, number>();
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = tryParseQuantity(text);
    if (quantity !== undefined) resources.set(name, Number(name === 'cpu' ? quantity.milliValue() : quantity.value()));
  }
  return resources;
}

function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** The sum over containers and sidecars, or the largest init container with the sidecars before it, whichever is more (KEP-753). */
function aggregated(pod: Pod, requestsOf: (container: Container) => Map<string, number>): Map<string, number> {
  const running = new Map<string, number>();
  for (const container of pod.spec?.containers ?? []) addResources(running, requestsOf(container));
  const sidecars = new Map<string, number>();
  const starting = new Map<string, number>();
  for (const container of pod.spec?.initContainers ?? []) {
    const own = requestsOf(container);
    if (isSidecar(container)) addResources(sidecars, own);
    else addResources(own, sidecars);
    for (const [name, amount] of isSidecar(container) ? sidecars : own) {
      starting.set(name, Math.max(starting.get(name) ?? 0, amount));
    }
  }
  addResources(running, sidecars);
  for (const [name, amount] of starting) running.set(name, Math.max(running.get(name) ?? 0, amount));
  return running;
}

/** What the pod as a whole asks for counts instead of what its containers do (KEP-2837). */
function withPodLevel(pod: Pod, requests: Map<string, number>): Map<string, number> {
  for (const [name, amount] of resourcesOf(pod.spec?.resources?.requests)) {
    if (name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')) requests.set(name, amount);
  }
  addResources(requests, resourcesOf(pod.spec?.overhead));
  return requests;
}

/** What a pod asks for, its overhead included. */
export function podRequests(pod: Pod): Resources {
  return withPodLevel(
    pod,
    aggregated(pod, (container) => resourcesOf(container.resources?.requests)),
  );
}

/** The same for rating: CPU and memory of a container that does not say count as a little. */
export function ratedRequests(pod: Pod): { readonly cpu: number; readonly memory: number } {
  const requests = aggregated(pod, (container) => {
    const own = resourcesOf(container.resources?.requests);
    return new Map([
      ['cpu', own.get('cpu') ?? RATED_CPU],
      ['memory', own.get('memory') ?? RATED_MEMORY],
    ]);
  });
  withPodLevel(pod, requests);
  return { cpu: requests.get('cpu') ?? 0, memory: requests.get('memory') ?? 0 };
}

export function allocatable(node: Node): Resources {
  return resourcesOf(node.status?.allocatable ?? node.status?.capacity);
}
