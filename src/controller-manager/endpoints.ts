import { isIPv6 } from 'node:net';
import type {
  Endpoint,
  EndpointAddress,
  EndpointSlice,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
  ServicePort,
} from '../api/generated/types.ts';
import { selectorFromLabels } from '../api/selector/label-selector.ts';
import { keyOfObject, splitKey } from '../client/informer.ts';
import { ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './service-account.ts';

const WORKERS = 4;
/** Kubernetes' limits: of one slice, and of one Endpoints object. */
const MAX_ENDPOINTS_PER_SLICE = 100;
const MAX_ADDRESSES = 1000;
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
const MANAGED_BY = 'endpointslice-controller.k8s.io';

/** A pod that a service selects, as both kinds of endpoints need it. */
interface Target {
  readonly pod: Pod;
  readonly ips: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

interface NumberedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol: string | undefined;
}

/** Keeps the Endpoints and the EndpointSlices of every service that has a selector. */
export class EndpointsController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('endpoints', dependencies.log);
    const { informers } = dependencies;
    const offer = (service: Service): void => this.#queue.add(keyOfObject(service));
    informers.for<Service>(SERVICES).handle({ added: offer, updated: offer, deleted: offer });
    const podChanged = (pod: Pod): void => this.#offerServicesOf(pod);
    informers.for<Pod>(PODS).handle({
      added: podChanged,
      updated: (pod, previous) => {
        podChanged(pod);
        if (JSON.stringify(pod.metadata.labels) !== JSON.stringify(previous.metadata.labels)) podChanged(previous);
      },
      deleted: podChanged,
    });
    informers.for<Endpoints>(ENDPOINTS).handle({ deleted: (e) => this.#queue.add(keyOfObject(e)) });
    const sliceChanged = (slice: EndpointSlice): void => {
      const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
      if (name !== undefined && isOurs(slice)) this.#queue.add(`${slice.metadata.namespace}/${name}`);
    };
    informers.for<EndpointSlice>(ENDPOINT_SLICES).handle({ updated: sliceChanged, deleted: sliceChanged });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  #offerServicesOf(pod: Pod): void {
    for (const service of this.#d.informers.for<Service>(SERVICES).list(pod.metadata.namespace)) {
      const selector = service.spec?.selector;
      if (hasSelector(selector) && selectorFromLabels(selector).matches(pod.metadata.labels)) {
        this.#queue.add(keyOfObject(service));
      }
    }
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const service = this.#d.informers.for<Service>(SERVICES).get(namespace, name);
    if (service === undefined) {
      // Slices go with their owner; an Endpoints object of the same name has none.
      const left = this.#d.informers.for<Endpoints>(ENDPOINTS).get(namespace, name);
      if (left !== undefined)
        await ignoring(['NotFound'], this.#d.client.delete(ENDPOINTS, namespace, name, {}, signal));
      return;
    }
    const selector = service.spec?.selector;
    if (!hasSelector(selector) || service.spec?.type === 'ExternalName') return;
    const matches = selectorFromLabels(selector);
    const targets = this.#d.informers
      .for<Pod>(PODS)
      .list(namespace)
      .filter((pod) => matches.matches(pod.metadata.labels))
      .flatMap((pod) => targetOf(pod, service))
      .sort((a, b) => ((a.ips[0] ?? '') < (b.ips[0] ?? '') ? -1 : 1));
    await this.#writeEndpoints(service, targets, signal);
    await this.#writeSlices(service, targets, signal);
  }

  async #writeEndpoints(service: Service, targets: readonly Target[], signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = service.metadata;
    const subsets = subsetsOf(service, targets.slice(0, MAX_ADDRESSES));
    const known = this.#d.informers.for<Endpoints>(ENDPOINTS).get(namespace, name);
    const labels = {
      ...service.metadata.labels,
      ...(service.spec?.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {}),
    };
    if (known === undefined) {
      const fresh: Endpoints = { metadata: { namespace, name, labels }, subsets };
      await ignoring(['AlreadyExists', 'Forbidden'], this.#d.client.create(ENDPOINTS, fresh, signal));
    } else if (JSON.stringify(known.subsets ?? []) !== JSON.stringify(subsets)) {
      await this.#d.client.update(
        ENDPOINTS,
        { ...known, metadata: { ...known.metadata, labels }, subsets },
        undefined,
        signal,
      );
    }
  }

  async #writeSlices(service: Service, targets: readonly Target[], signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = service.metadata;
    const known = this.#d.informers
      .for<EndpointSlice>(ENDPOINT_SLICES)
      .list(namespace)
      .filter(
        (s) =>
          s.metadata.labels?.[SERVICE_NAME_LABEL] === name && isOurs(s) && s.metadata.deletionTimestamp === undefined,
      );
    for (const family of service.spec?.ipFamilies ?? ['IPv4']) {
      const wanted = slicesOf(service, targets, family as 'IPv4' | 'IPv6');
      const existing = known.filter((s) => s.addressType === family);
      for (const [i, slice] of wanted.entries()) {
        const old = existing[i];
        if (old === undefined) {
          await ignoring(['Forbidden'], this.#d.client.create(ENDPOINT_SLICES, slice, signal));
        } else if (sliceContent(old) !== sliceContent(slice)) {
          const { endpoints, ports } = slice;
          await this.#d.client.update(ENDPOINT_SLICES, { ...old, endpoints, ports }, undefined, signal);
        }
      }
      for (const extra of existing.slice(wanted.length)) {
        await ignoring(
          ['NotFound'],
          this.#d.client.delete(ENDPOINT_SLICES, namespace, extra.metadata.name ?? '', {}, signal),
        );
      }
    }
  }
}

function hasSelector(selector: Record<string, string> | undefined): selector is Record<string, string> {
  return selector !== undefined && Object.keys(selector).length > 0;
}

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
}

function sliceContent(slice: EndpointSlice): string {
  return JSON.stringify([slice.endpoints ?? [], slice.ports ?? []]);
}

function targetOf(pod: Pod, service: Service): Target[] {
  const ips = (pod.status?.podIPs ?? []).map((p) => p.ip);
  const phase = pod.status?.phase;
  if (ips.length === 0 || phase === 'Succeeded' || phase === 'Failed') return [];
  const serving = pod.status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True';
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const published = service.spec?.publishNotReadyAddresses === true;
  return [{ pod, ips, serving: serving || published, terminating, ready: published || (serving && !terminating) }];
}

/** `targetPort` by number, or by the name of a port of the pod; undefined when the pod has none of that name. */
function portNumber(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  for (const container of pod.spec?.containers ?? []) {
    for (const p of container.ports ?? []) {
      if (p.name === target && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP')) return p.containerPort;
    }
  }
  return undefined;
}

function portsFor(service: Service, pod: Pod): NumberedPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = portNumber(pod, port);
    if (number === undefined) return [];
    const protocol = (port.protocol ?? 'TCP') as NumberedPort['protocol'];
    return [{ name: port.name ?? '', port: number, protocol, appProtocol: port.appProtocol }];
  });
}

/** Pods with the same numbers behind the service's ports stand together. */
function groupByPorts(service: Service, targets: readonly Target[]): { ports: NumberedPort[]; targets: Target[] }[] {
  const groups = new Map<string, { ports: NumberedPort[]; targets: Target[] }>();
  for (const target of targets) {
    const ports = portsFor(service, target.pod);
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue;
    const id = JSON.stringify(ports);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { ports, targets: [target] });
    else group.targets.push(target);
  }
  return [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function targetRef(pod: Pod): NonNullable<EndpointAddress['targetRef']> {
  return { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid };
}

function hostnameIn(pod: Pod, service: Service): { hostname?: string } {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname !== undefined && subdomain === service.metadata.name ? { hostname } : {};
}

function subsetsOf(service: Service, targets: readonly Target[]): EndpointSubset[] {
  const family = service.spec?.ipFamilies?.[0] ?? 'IPv4';
  return groupByPorts(service, targets)
    .map(({ ports, targets: group }) => {
      const address = (t: Target): EndpointAddress[] =>
        t.ips
          .filter((ip) => isIPv6(ip) === (family === 'IPv6'))
          .slice(0, 1)
          .map((ip) => ({
            ip,
            ...hostnameIn(t.pod, service),
            nodeName: t.pod.spec?.nodeName,
            targetRef: targetRef(t.pod),
          }));
      const ready = group.filter((t) => t.ready).flatMap(address);
      const notReady = group.filter((t) => !t.ready && !t.terminating).flatMap(address);
      return {
        ...(ready.length === 0 ? {} : { addresses: ready }),
        ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
        ports: ports.map((p) => ({
          ...(p.name === '' ? {} : { name: p.name }),
          port: p.port,
          protocol: p.protocol,
          ...(p.appProtocol === undefined ? {} : { appProtocol: p.appProtocol }),
        })),
      };
    })
    .filter((s) => 'addresses' in s || 'notReadyAddresses' in s);
}

function slicesOf(service: Service, targets: readonly Target[], family: 'IPv4' | 'IPv6'): EndpointSlice[] {
  const { namespace = '', name = '', uid = '' } = service.metadata;
  const headless = service.spec?.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {};
  const make = (ports: readonly NumberedPort[], endpoints: Endpoint[]): EndpointSlice => ({
    metadata: {
      namespace,
      generateName: `${name}-`,
      labels: { ...service.metadata.labels, ...headless, [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGED_BY },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    addressType: family,
    endpoints,
    ports: ports.map((p) => ({
      name: p.name,
      port: p.port,
      protocol: p.protocol,
      ...(p.appProtocol === undefined ? {} : { appProtocol: p.appProtocol }),
    })),
  });
  const slices = groupByPorts(service, targets).flatMap(({ ports, targets: group }) => {
    const endpoints = group.flatMap((t): Endpoint[] => {
      const addresses = t.ips.filter((ip) => isIPv6(ip) === (family === 'IPv6'));
      if (addresses.length === 0) return [];
      return [
        {
          addresses,
          conditions: { ready: t.ready, serving: t.serving, terminating: t.terminating },
          ...hostnameIn(t.pod, service),
          nodeName: t.pod.spec?.nodeName,
          targetRef: targetRef(t.pod),
        },
      ];
    });
    const chunks: EndpointSlice[] = [];
    for (let i = 0; i < endpoints.length; i += MAX_ENDPOINTS_PER_SLICE) {
      chunks.push(make(ports, endpoints.slice(i, i + MAX_ENDPOINTS_PER_SLICE)));
    }
    return chunks;
  });
  return slices.length > 0 ? slices : [make([], [])];
}
