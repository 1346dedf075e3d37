import type { ErrorCause } from '../../lib/errors.ts';
import { duplicate, forbidden, invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type { Service, ServicePort, ServiceSpec } from '../generated/types.ts';
import { parseIp, validateCidr, validateEndpointIp, validateIp } from '../ip-address.ts';
import { validateLabels } from '../metadata.ts';
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from '../names.ts';
import { validateProtocol } from './endpoints.ts';
import { validatePort } from './handler-validation.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const policies = ['Cluster', 'Local'];

export function validateService({ spec = {} as ServiceSpec }: Service): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') causes.push(required('spec.ports'));
  causes.push(...validateType(spec));
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    causes.push(...validateServicePort(port, ports.length > 1, names, `spec.ports[${i}]`));
  }
  causes.push(...validateLabels(spec.selector, 'spec.selector'));
  causes.push(...validateAffinity(spec));
  causes.push(...validateClusterIps(spec));
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    causes.push(...validateEndpointIp(`spec.externalIPs[${i}]`, ip));
  }
  causes.push(...oneOf(spec.type, types, 'spec.type'));
  causes.push(...validatePortNumbers(spec));
  causes.push(...validateLoadBalancer(spec));
  causes.push(...validateTraffic(spec));
  return causes;
}

function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
}

function oneOf(value: string | undefined, supported: readonly string[], field: string): ErrorCause[] {
  if (value === undefined || value === '') return [required(field)];
  return supported.includes(value) ? [] : [notSupported(field, value, supported)];
}

function validateType(spec: ServiceSpec): ErrorCause[] {
  if (spec.type === 'LoadBalancer' || spec.type === 'NodePort') {
    return isHeadless(spec)
      ? [invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`)]
      : [];
  }
  if (spec.type !== 'ExternalName') return [];
  const causes: ErrorCause[] = [];
  const text = 'may not be set for ExternalName services';
  if ((spec.clusterIPs ?? []).length > 0) causes.push(forbidden('spec.clusterIPs', text));
  if ((spec.ipFamilies ?? []).length > 0) causes.push(forbidden('spec.ipFamilies', text));
  if (spec.ipFamilyPolicy !== undefined) causes.push(forbidden('spec.ipFamilyPolicy', text));
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') causes.push(required('spec.externalName'));
  else causes.push(...invalidEach('spec.externalName', name, dns1123Subdomain(name)));
  return causes;
}

function validateServicePort(port: ServicePort, named: boolean, names: Set<string>, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const name = port.name ?? '';
  if (name === '') {
    if (named) causes.push(required(`${path}.name`));
  } else {
    causes.push(...invalidEach(`${path}.name`, name, dns1123Label(name)));
    if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
    names.add(name);
  }
  causes.push(...invalidEach(`${path}.port`, port.port ?? 0, portNumber(port.port ?? 0)));
  causes.push(...validateProtocol(port.protocol, `${path}.protocol`));
  causes.push(...validatePort(port.targetPort, `${path}.targetPort`));
  if (port.appProtocol !== undefined) {
    causes.push(...invalidEach(`${path}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol)));
  }
  return causes;
}

function validateAffinity(spec: ServiceSpec): ErrorCause[] {
  const causes = oneOf(spec.sessionAffinity, ['ClientIP', 'None'], 'spec.sessionAffinity');
  const config = spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    const seconds = config?.clientIP?.timeoutSeconds;
    const field = 'spec.sessionAffinityConfig';
    if (seconds === undefined) causes.push(required(field, 'when session affinity type is ClientIP'));
    else if (seconds <= 0 || seconds > 86400) {
      causes.push(
        invalidValue(`${field}.clientIP.timeoutSeconds`, seconds, 'must be greater than 0 and less than 86400'),
      );
    }
  } else if (spec.sessionAffinity === 'None' && config !== undefined) {
    causes.push(forbidden('spec.sessionAffinityConfig', 'must not be set when session affinity is None'));
  }
  return causes;
}

function validateClusterIps(spec: ServiceSpec): ErrorCause[] {
  if (spec.type === 'ExternalName') return [];
  const causes: ErrorCause[] = [];
  const families = spec.ipFamilies ?? [];
  const ips = spec.clusterIPs ?? [];
  for (const [i, family] of families.entries()) {
    if (family !== 'IPv4' && family !== 'IPv6') {
      causes.push(notSupported(`spec.ipFamilies[${i}]`, family, ['IPv4', 'IPv6']));
    } else if (families.indexOf(family) < i) causes.push(duplicate(`spec.ipFamilies[${i}]`, family));
  }
  const familyPolicies = ['SingleStack', 'PreferDualStack', 'RequireDualStack'];
  if (spec.ipFamilyPolicy !== undefined && !familyPolicies.includes(spec.ipFamilyPolicy)) {
    causes.push(notSupported('spec.ipFamilyPolicy', spec.ipFamilyPolicy, familyPolicies));
  }
  if (ips.length > 0 && (spec.clusterIP ?? '') === '') causes.push(required('spec.clusterIP'));
  if (ips[0] !== undefined && ips[0] !== spec.clusterIP) {
    causes.push(invalidValue('spec.clusterIPs', ips, 'first value must match `clusterIP`'));
  }
  if (ips.length > 2) causes.push(invalidValue('spec.clusterIPs', ips, 'may only hold up to 2 values'));
  for (const [i, ip] of ips.entries()) {
    const field = `spec.clusterIPs[${i}]`;
    if (ip === 'None') {
      if (ips.length > 1) causes.push(invalidValue(field, ip, "'None' must be the first and only value"));
      continue;
    }
    causes.push(...validateIp(field, ip));
    const family = parseIp(ip)?.family;
    if (family !== undefined && families[i] !== undefined && families[i] !== family) {
      causes.push(invalidValue(field, ip, `expected an ${families[i]} value as indicated by \`ipFamilies[${i}]\``));
    }
  }
  return causes;
}

function validatePortNumbers(spec: ServiceSpec): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const nodePorts = new Set<string>();
  const ports = new Set<string>();
  for (const [i, { port, nodePort = 0, protocol }] of (spec.ports ?? []).entries()) {
    const path = `spec.ports[${i}]`;
    if (nodePort !== 0) {
      if (spec.type === 'ClusterIP') {
        causes.push(forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
      }
      if (nodePorts.has(`${protocol}/${nodePort}`)) causes.push(duplicate(`${path}.nodePort`, nodePort));
      nodePorts.add(`${protocol}/${nodePort}`);
    }
    if (ports.has(`${protocol}/${port}`)) causes.push(duplicate(path, { protocol, port }));
    ports.add(`${protocol}/${port}`);
  }
  return causes;
}

function validateLoadBalancer(spec: ServiceSpec): ErrorCause[] {
  const balanced = spec.type === 'LoadBalancer';
  const text = "may only be used when `type` is 'LoadBalancer'";
  const causes: ErrorCause[] = [];
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0 && !balanced) causes.push(forbidden('spec.LoadBalancerSourceRanges', text));
  for (const [i, range] of ranges.entries()) {
    causes.push(...validateCidr(`spec.LoadBalancerSourceRanges[${i}]`, range.trim()));
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balanced) {
    causes.push(forbidden('spec.allocateLoadBalancerNodePorts', text));
  }
  const { loadBalancerClass } = spec;
  if (loadBalancerClass !== undefined) {
    if (!balanced) causes.push(forbidden('spec.loadBalancerClass', text));
    else causes.push(...invalidEach('spec.loadBalancerClass', loadBalancerClass, qualifiedName(loadBalancerClass)));
  }
  const local = balanced && spec.externalTrafficPolicy === 'Local';
  const health = spec.healthCheckNodePort ?? 0;
  if (health !== 0) {
    const field = 'spec.healthCheckNodePort';
    if (local) causes.push(...invalidEach(field, health, portNumber(health)));
    else {
      const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
      causes.push(invalidValue(field, health, why));
    }
  }
  return causes;
}

function validateTraffic(spec: ServiceSpec): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const external: string = spec.externalTrafficPolicy ?? '';
  const reachable =
    spec.type === 'NodePort' ||
    spec.type === 'LoadBalancer' ||
    (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
  if (external !== '') {
    if (!reachable) {
      const text = 'may only be set for externally-accessible services';
      causes.push(invalidValue('spec.externalTrafficPolicy', external, text));
    } else if (!policies.includes(external)) {
      causes.push(notSupported('spec.externalTrafficPolicy', external, policies));
    }
  } else if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') {
    causes.push(required('spec.externalTrafficPolicy'));
  }
  const internal = spec.internalTrafficPolicy;
  if (internal === undefined) {
    if (spec.type !== 'ExternalName') causes.push(required('spec.internalTrafficPolicy'));
  } else if (!policies.includes(internal)) causes.push(notSupported('spec.internalTrafficPolicy', internal, policies));
  const distributions = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];
  if (spec.trafficDistribution !== undefined && !distributions.includes(spec.trafficDistribution)) {
    causes.push(notSupported('spec.trafficDistribution', spec.trafficDistribution, distributions));
  }
  return causes;
}

/** An address that was given stays, unless the service becomes or stops being an ExternalName. */
export function validateServiceUpdate(service: Service, old: Service): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const spec = service.spec ?? ({} as ServiceSpec);
  const before = old.spec ?? ({} as ServiceSpec);
  if (spec.type !== 'ExternalName' && before.type !== 'ExternalName') {
    const was = before.clusterIPs ?? [];
    const now = spec.clusterIPs ?? [];
    if (was[0] !== undefined && now.length === 0) {
      causes.push(invalidValue('spec.clusterIPs[0]', now, 'primary clusterIP can not be unset'));
    }
    for (const [i, ip] of was.entries()) {
      if (now[i] === undefined || now[i] === ip) continue;
      causes.push(invalidValue(`spec.clusterIPs[${i}]`, now, 'may not change once set'));
    }
    const families = spec.ipFamilies ?? [];
    if (
      !isHeadless(spec) &&
      !isHeadless(before) &&
      (before.ipFamilies ?? []).some((f, i) => families[i] !== undefined && families[i] !== f)
    ) {
      causes.push(invalidValue('spec.ipFamilies[0]', families, 'may not change once set'));
    }
  }
  if (spec.type === 'LoadBalancer' && before.type === 'LoadBalancer') {
    if (spec.loadBalancerClass !== before.loadBalancerClass) {
      causes.push(invalidValue('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set'));
    }
  }
  return [...causes, ...validateService(service)];
}

export function validateLoadBalancerStatus({ spec, status }: Service): ErrorCause[] {
  const points = status?.loadBalancer?.ingress ?? [];
  if (points.length > 0 && spec?.type !== 'LoadBalancer') {
    return [forbidden('status.loadBalancer.ingress', "may only be used when `spec.type` is 'LoadBalancer'")];
  }
  return points.flatMap(({ ip = '', hostname = '' }, i) => {
    const path = `status.loadBalancer.ingress[${i}]`;
    const causes = ip === '' ? [] : validateIp(`${path}.ip`, ip);
    if (hostname !== '') {
      causes.push(...invalidEach(`${path}.hostname`, hostname, dns1123Subdomain(hostname)));
      if (parseIp(hostname) !== undefined) {
        causes.push(invalidValue(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address'));
      }
    }
    return causes;
  });
}
