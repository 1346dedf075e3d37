import { isIPv6 } from 'node:net';
import type { Container, ObjectReference, Pod, Service, ServicePort } from '../api/generated/types.ts';
import { isPodEnded, isPodReady } from './pod-state.ts';

export type Family = 'IPv4' | 'IPv6';

/** A pod that a service selects, as both kinds of endpoints need it. */
export interface Target {
  readonly pod: Pod;
  readonly ips: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

export interface NumberedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly appProtocol: string | undefined;
}

export interface PortGroup {
  readonly ports: readonly NumberedPort[];
  readonly targets: readonly Target[];
}

/** undefined for a pod without an address, and for one that has ended. */
export function targetOf(pod: Pod, service: Service): Target | undefined {
  const ips = (pod.status?.podIPs ?? []).map((p) => p.ip);
  if (ips.length === 0 || isPodEnded(pod)) return undefined;
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const published = service.spec?.publishNotReadyAddresses === true;
  return { pod, ips, serving, terminating, ready: published || (serving && !terminating) };
}

/** Of the addresses those of one family. */
export function addressesOf(target: Target, family: Family): string[] {
  return target.ips.filter((ip) => isIPv6(ip) === (family === 'IPv6'));
}

/** Pods with the same numbers behind the service's ports stand together, in an order that does not change by itself. */
export function groupByPorts(service: Service, targets: readonly Target[]): PortGroup[] {
  const groups = new Map<string, { ports: NumberedPort[]; targets: Target[] }>();
  for (const target of targets) {
    const ports = portsFor(service, target.pod);
    const id = JSON.stringify(ports);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { ports, targets: [target] });
    else group.targets.push(target);
  }
  return [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** The service's ports as numbers of this pod; those that it has not are left out. */
function portsFor(service: Service, pod: Pod): NumberedPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = portNumber(pod, port);
    if (number === undefined) return [];
    const protocol = (port.protocol ?? 'TCP') as NumberedPort['protocol'];
    return [{ name: port.name ?? '', port: number, protocol, appProtocol: port.appProtocol }];
  });
}

/** `targetPort` by number, or by the name of a port of a container or sidecar. */
function portNumber(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target === 0 ? port.port : target;
  if (target === '') return port.port;
  const sidecars = (pod.spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  return namedPort([...(pod.spec?.containers ?? []), ...sidecars], target, port.protocol ?? 'TCP');
}

function namedPort(containers: readonly Container[], name: string, protocol: string): number | undefined {
  for (const container of containers) {
    const found = (container.ports ?? []).find((p) => p.name === name && (p.protocol ?? 'TCP') === protocol);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

export function targetReference(pod: Pod): ObjectReference {
  return { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid };
}

/** The name that DNS gives a pod under a headless service that its `subdomain` names. */
export function hostnameIn(pod: Pod, service: Service): { hostname?: string } {
  const { hostname = '', subdomain } = pod.spec ?? {};
  return hostname !== '' && subdomain === service.metadata.name ? { hostname } : {};
}

/** Labels of the service that its endpoints carry too, and the mark of a headless one. */
export function endpointLabels(service: Service): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...labels } = service.metadata.labels ?? {};
  return service.spec?.clusterIP === 'None' ? { ...labels, [HEADLESS_LABEL]: '' } : labels;
}

const HEADLESS_LABEL = 'service.kubernetes.io/headless';
