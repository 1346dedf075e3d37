import type { Endpoint, EndpointSlice, Service } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import { controllerReference } from './claim.ts';
import {
  addressesOf,
  endpointLabels,
  type Family,
  groupByPorts,
  hostnameIn,
  type NumberedPort,
  type Target,
  targetReference,
} from './endpoint-targets.ts';

/** Kubernetes' limit. */
const MAX_ENDPOINTS_PER_SLICE = 100;
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
const MANAGED_BY = 'endpointslice-controller.k8s.io';

export function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
}

/** What has to be done to the slices of one service. */
export interface SlicePlan {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly remove: EndpointSlice[];
}

/**
 * Compares the slices that there are with what there should be. An endpoint stays in the slice that it is in, so that one pod
 * that comes or goes changes one slice, whatever their number.
 */
export function planSlices(
  service: Service,
  targets: readonly Target[],
  known: readonly EndpointSlice[],
  zoneOf: (nodeName: string) => string | undefined,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [] };
  const families = (service.spec?.ipFamilies ?? ['IPv4']) as Family[];
  plan.remove.push(...known.filter((s) => !families.includes(s.addressType as Family)));
  for (const family of families) {
    const ofFamily = known.filter((s) => s.addressType === family);
    const inFamily = targets.filter((t) => addressesOf(t, family).length > 0);
    planFamily(plan, service, family, inFamily, ofFamily, zoneOf);
  }
  return recycled(plan);
}

/** A slice that would go takes the content of one that would come: watchers see no moment without endpoints. */
function recycled({ create, update, remove }: SlicePlan): SlicePlan {
  const left = [...remove];
  const updates = [...update];
  const creations = create.filter((slice) => {
    const i = left.findIndex((old) => old.addressType === slice.addressType);
    const [old] = i < 0 ? [] : left.splice(i, 1);
    if (old === undefined) return true;
    updates.push({ ...slice, metadata: { ...old.metadata, labels: slice.metadata.labels ?? {} } });
    return false;
  });
  return { create: creations, update: updates, remove: left };
}

function planFamily(
  plan: SlicePlan,
  service: Service,
  family: Family,
  targets: readonly Target[],
  known: readonly EndpointSlice[],
  zoneOf: (nodeName: string) => string | undefined,
): void {
  const unused = new Set(known);
  // A service without endpoints has one empty slice.
  const groups = targets.length === 0 ? [{ ports: [], targets: [] }] : groupByPorts(service, targets);
  for (const group of groups) {
    const ports = group.ports.map(slicePort);
    const own = known.filter((s) => unused.has(s) && semanticEqual(s.ports ?? [], ports));
    for (const slice of own) unused.delete(slice);
    const wanted = new Map<string, Endpoint>(
      group.targets.map((t) => [t.pod.metadata.uid ?? '', endpointOf(t, service, family, zoneOf)]),
    );
    place(plan, service, family, ports, wanted, own);
  }
  plan.remove.push(...unused);
}

/** Keeps, refreshes and removes the endpoints of the slices of one group of ports, and finds room for the new ones. */
function place(
  plan: SlicePlan,
  service: Service,
  family: Family,
  ports: readonly ReturnType<typeof slicePort>[],
  wanted: Map<string, Endpoint>,
  own: readonly EndpointSlice[],
): void {
  const labels = sliceLabels(service);
  const isEmptyService = wanted.size === 0;
  const filled = own.map((slice) => {
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const uid = endpoint.targetRef?.uid ?? '';
      const now = wanted.get(uid);
      if (now === undefined) continue;
      endpoints.push(now);
      wanted.delete(uid);
    }
    return { slice, endpoints };
  });
  const fresh = [...wanted.values()];
  // Fullest first: the fewer slices the better.
  for (const { endpoints } of filled.toSorted((a, b) => b.endpoints.length - a.endpoints.length)) {
    endpoints.push(...fresh.splice(0, Math.max(0, MAX_ENDPOINTS_PER_SLICE - endpoints.length)));
  }
  for (const [i, { slice, endpoints }] of filled.entries()) {
    if (endpoints.length === 0 && !(isEmptyService && i === 0)) plan.remove.push(slice);
    else if (!semanticEqual(slice.endpoints ?? [], endpoints) || !semanticEqual(slice.metadata.labels, labels)) {
      plan.update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints });
    }
  }
  while (fresh.length > 0 || (isEmptyService && own.length === 0)) {
    plan.create.push(newSlice(service, family, labels, ports, fresh.splice(0, MAX_ENDPOINTS_PER_SLICE)));
    if (isEmptyService) return;
  }
}

function slicePort({ name, port, protocol, appProtocol }: NumberedPort) {
  return { name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) };
}

function endpointOf(
  target: Target,
  service: Service,
  family: Family,
  zoneOf: (nodeName: string) => string | undefined,
): Endpoint {
  const { pod, ready, serving, terminating } = target;
  const nodeName = pod.spec?.nodeName;
  const zone = zoneOf(nodeName ?? '');
  return {
    addresses: addressesOf(target, family),
    conditions: { ready, serving, terminating },
    ...hostnameIn(pod, service),
    nodeName,
    targetRef: targetReference(pod),
    ...(zone === undefined ? {} : { zone }),
  };
}

function sliceLabels(service: Service): Record<string, string> {
  const name = service.metadata.name ?? '';
  return { ...endpointLabels(service), [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGED_BY };
}

function newSlice(
  service: Service,
  family: Family,
  labels: Record<string, string>,
  ports: readonly ReturnType<typeof slicePort>[],
  endpoints: Endpoint[],
): EndpointSlice {
  const { namespace = '', name = '' } = service.metadata;
  return {
    metadata: {
      namespace,
      generateName: `${name}-`,
      labels,
      ownerReferences: [controllerReference('v1', 'Service', service)],
    },
    addressType: family,
    endpoints,
    ports: [...ports],
  };
}
