import type { Container, Node, Pod } from '../api/generated/types.ts';
import { tryParseQuantity } from '../api/quantity.ts';

/** Amounts by resource name: `cpu` in cores, the others in their own unit. */
export type Resources = ReadonlyMap<string, number>;

export function addResources(into: Map<string, number>, from: Resources): void {
  for (const [name, amount] of from) into.set(name, (into.get(name) ?? 0) + amount);
}

function resourcesOf(list: Readonly<Record<string, unknown>> | undefined): Map<string, number> {
  return new Map(
    Object.entries(list ?? {}).map(([name, quantity]) => [name, tryParseQuantity(quantity)?.toNumber() ?? 0]),
  );
}

function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/**
 * What a pod asks for: the sum of its containers and sidecars, or the largest init container together with the sidecars
 * that started before it, whichever is more; and the overhead. (KEP-753)
 */
export function podRequests(pod: Pod): Resources {
  const running = new Map<string, number>();
  for (const container of pod.spec?.containers ?? []) addResources(running, resourcesOf(container.resources?.requests));
  const sidecars = new Map<string, number>();
  const starting = new Map<string, number>();
  for (const container of pod.spec?.initContainers ?? []) {
    const own = resourcesOf(container.resources?.requests);
    if (isSidecar(container)) addResources(sidecars, own);
    else addResources(own, sidecars);
    for (const [name, amount] of isSidecar(container) ? sidecars : own) {
      starting.set(name, Math.max(starting.get(name) ?? 0, amount));
    }
  }
  addResources(running, sidecars);
  for (const [name, amount] of starting) running.set(name, Math.max(running.get(name) ?? 0, amount));
  addResources(running, resourcesOf(pod.spec?.overhead));
  return running;
}

export function allocatable(node: Node): Resources {
  return resourcesOf(node.status?.allocatable ?? node.status?.capacity);
}
