import type { Pod } from '../generated/types.ts';
import { parseQuantity, Quantity } from '../quantity.ts';

/** A pod's quality of service: what is killed last, first and in between when a node runs out. Never changes. */
export function podQosClass({ spec }: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const own = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((c) => c.resources ?? {});
  const podLevel = spec?.resources;
  const all = podLevel?.requests !== undefined || podLevel?.limits !== undefined ? [podLevel] : own;
  const requests = new Map<string, Quantity>();
  const limits = new Map<string, Quantity>();
  let guaranteed = true;
  for (const resources of all) {
    sum(requests, resources.requests);
    const limited = sum(limits, resources.limits);
    if (!limited.has('cpu') || !limited.has('memory')) guaranteed = false;
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort';
  if (guaranteed && requests.size === limits.size) {
    const same = [...requests].every(([name, quantity]) => limits.get(name)?.compare(quantity) === 0);
    if (same) return 'Guaranteed';
  }
  return 'Burstable';
}

/** Adds cpu and memory above zero; answers which of them were there. */
function sum(total: Map<string, Quantity>, list: Readonly<Record<string, string>> | undefined): Set<string> {
  const found = new Set<string>();
  for (const name of ['cpu', 'memory']) {
    const text = list?.[name];
    if (text === undefined) continue;
    const quantity = parseQuantity(text);
    if (quantity.sign() <= 0) continue;
    found.add(name);
    total.set(name, (total.get(name) ?? new Quantity(0n, 0, quantity.format)).add(quantity));
  }
  return found;
}
