import type { EndpointAddress, EndpointSubset, Service } from '../api/generated/types.ts';
import {
  addressesOf,
  type Family,
  groupByPorts,
  hostnameIn,
  type Target,
  targetReference,
} from './endpoint-targets.ts';

/** Addresses of one Endpoints object; what is more is cut, and an annotation says so. */
const MAX_ADDRESSES = 1000;
export const OVER_CAPACITY_ANNOTATION = 'endpoints.kubernetes.io/over-capacity';

export interface Subsets {
  readonly subsets: EndpointSubset[];
  readonly truncated: boolean;
}

/** The content of an Endpoints object: one family, ready and not ready apart. A pod that ends is not in it. */
export function subsetsOf(service: Service, targets: readonly Target[]): Subsets {
  const family = (service.spec?.ipFamilies?.[0] ?? 'IPv4') as Family;
  const published = service.spec?.publishNotReadyAddresses === true;
  const shown = targets.filter((t) => (published || !t.terminating) && addressesOf(t, family).length > 0);
  const kept = truncate(shown);
  const subsets = groupByPorts(service, kept)
    .filter(({ ports }) => ports.length > 0 || (service.spec?.ports ?? []).length === 0)
    .map(({ ports, targets: group }): EndpointSubset => {
      const addresses = group.filter((t) => t.ready).map((t) => addressOf(t, service, family));
      const notReadyAddresses = group.filter((t) => !t.ready).map((t) => addressOf(t, service, family));
      return {
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
        ...(ports.length === 0
          ? {}
          : { ports: ports.map(({ name, ...port }) => (name === '' ? port : { name, ...port })) }),
      };
    });
  return { subsets, truncated: kept.length < shown.length };
}

/** Those that are ready count first. */
function truncate(targets: readonly Target[]): readonly Target[] {
  if (targets.length <= MAX_ADDRESSES) return targets;
  const chosen = new Set(
    [...targets.filter((t) => t.ready), ...targets.filter((t) => !t.ready)].slice(0, MAX_ADDRESSES),
  );
  return targets.filter((t) => chosen.has(t));
}

function addressOf(target: Target, service: Service, family: Family): EndpointAddress {
  const { pod } = target;
  return {
    ip: addressesOf(target, family)[0] ?? '',
    ...hostnameIn(pod, service),
    nodeName: pod.spec?.nodeName,
    targetRef: targetReference(pod),
  };
}
