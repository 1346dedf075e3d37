import type { Service, ServicePort, ServiceSpec } from '../generated/types.ts';
import { cloneJson } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { nameRule } from '../metadata.ts';
import { dns1123Label } from '../names.ts';
import type { KubeObject } from '../object.ts';
import { dropZeroes } from '../zero-values.ts';
import { validateLoadBalancerStatus, validateService, validateServiceUpdate } from './service-validation.ts';

const asService = (object: KubeObject): Service => object as unknown as Service;

export const serviceRules: KindRules = {
  nameRule: nameRule(dns1123Label),
  initialStatus: () => ({ loadBalancer: {} }),
  defaults(object) {
    object.spec ??= {};
    const { spec, status } = asService(object);
    defaultSpec(spec as ServiceSpec);
    for (const ingress of status?.loadBalancer?.ingress ?? []) if ((ingress.ip ?? '') !== '') ingress.ipMode ??= 'VIP';
  },
  prepareForCreate(object) {
    const { spec } = asService(object);
    if (spec !== undefined) defaultFamilies(spec);
  },
  prepareForUpdate(object, old, subresource) {
    const { spec } = asService(object);
    const before = asService(old).spec;
    if (subresource !== '' || spec === undefined || before === undefined) return;
    dropOtherTypes(spec, before);
    keepAllocated(spec, before);
    defaultFamilies(spec);
  },
  validate: (object) => validateService(asService(object)),
  validateUpdate: (object, old, subresource) =>
    subresource === 'status'
      ? validateLoadBalancerStatus(asService(object))
      : validateServiceUpdate(asService(object), asService(old)),
  selectableFields(object) {
    const { spec } = asService(object);
    return { 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' };
  },
};

const plainFields = [
  'clusterIP',
  'clusterIPs',
  'externalIPs',
  'externalName',
  'healthCheckNodePort',
  'loadBalancerIP',
  'loadBalancerSourceRanges',
  'publishNotReadyAddresses',
  'selector',
] as const;

function defaultSpec(spec: ServiceSpec): void {
  dropZeroes(spec, plainFields);
  for (const port of spec.ports ?? []) dropZeroes(port, ['name', 'nodePort']);
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  else if (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10800 } };
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
  }
  if (isExternal(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  mirrorClusterIps(spec);
}

/** Reached from outside: by node ports or a load balancer. */
function isExternal(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

/** `clusterIP` is the first of `clusterIPs`. */
function mirrorClusterIps(spec: ServiceSpec): void {
  const single = spec.clusterIP ?? '';
  if (single !== '' && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [single];
  else if (single === '' && spec.clusterIPs?.[0] !== undefined) spec.clusterIP = spec.clusterIPs[0];
}

/** One family, unless the client wants otherwise. The allocator of addresses runs after this. */
function defaultFamilies(spec: ServiceSpec): void {
  if (spec.type === 'ExternalName') return;
  spec.ipFamilyPolicy ??= (spec.ipFamilies ?? []).length > 1 ? 'RequireDualStack' : 'SingleStack';
  const first = spec.clusterIPs?.[0] ?? '';
  if ((spec.ipFamilies ?? []).length === 0) spec.ipFamilies = [first.includes(':') ? 'IPv6' : 'IPv4'];
}

/** What belongs to the type a service had, and was not changed by the client, goes when the type changes. */
function dropOtherTypes(spec: ServiceSpec, before: ServiceSpec): void {
  const same = (field: keyof ServiceSpec): boolean => JSON.stringify(spec[field]) === JSON.stringify(before[field]);
  const needsIp = (type: string | undefined): boolean => type !== 'ExternalName';
  if (needsIp(before.type) && !needsIp(spec.type)) {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'] as const) {
      if (same(field)) delete spec[field];
    }
  }
  if (isExternal(before) && !isExternal(spec)) {
    if (same('externalTrafficPolicy')) delete spec.externalTrafficPolicy;
    const ports = new Map((before.ports ?? []).map((port) => [portId(port), port.nodePort]));
    for (const port of spec.ports ?? []) if (port.nodePort === ports.get(portId(port))) delete port.nodePort;
  }
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass', 'healthCheckNodePort'] as const) {
      if (same(field)) delete spec[field];
    }
  }
}

/** An update that does not mention what the server gave keeps it: addresses and node ports. */
function keepAllocated(spec: ServiceSpec, before: ServiceSpec): void {
  const keepsIp = spec.type !== 'ExternalName' && before.type !== 'ExternalName';
  if (keepsIp && (spec.clusterIP ?? '') === '' && (spec.clusterIPs ?? []).length === 0) {
    spec.clusterIP = before.clusterIP;
    spec.clusterIPs = cloneJson(before.clusterIPs);
  }
  if (keepsIp) {
    spec.ipFamilies ??= cloneJson(before.ipFamilies);
    spec.ipFamilyPolicy ??= before.ipFamilyPolicy;
  }
  if (isExternal(spec) && isExternal(before)) {
    const ports = new Map((before.ports ?? []).map((port) => [portId(port), port.nodePort]));
    const taken = new Set((spec.ports ?? []).map((port) => port.nodePort));
    for (const port of spec.ports ?? []) {
      const old = ports.get(portId(port));
      if ((port.nodePort ?? 0) === 0 && old !== undefined && !taken.has(old)) port.nodePort = old;
    }
  }
  if (spec.type === 'LoadBalancer' && before.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local') {
    spec.healthCheckNodePort ||= before.healthCheckNodePort;
  }
}

function portId({ port, protocol }: ServicePort): string {
  return `${protocol ?? 'TCP'}/${port}`;
}
