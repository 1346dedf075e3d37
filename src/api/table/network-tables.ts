import type {
  EndpointSlice,
  Endpoints,
  Ingress,
  IngressClass,
  IPAddress,
  NetworkPolicy,
  Service,
  ServiceCIDR,
} from '../generated/types.ts';
import { formatLabelSelector, formatLabels } from '../selector/label-selector.ts';
import { ageColumn, column, docOf, listWithMore, nameColumn, type TableSpec, wide } from './column.ts';
import { age } from './human-duration.ts';

export const serviceTable: TableSpec = {
  columns: [
    nameColumn,
    column('Type', docOf('core.v1.ServiceSpec.type')),
    column('Cluster-IP', docOf('core.v1.ServiceSpec.clusterIP')),
    column('External-IP', docOf('core.v1.ServiceSpec.externalIPs')),
    column('Port(s)', docOf('core.v1.ServiceSpec.ports')),
    ageColumn,
    wide('Selector', docOf('core.v1.ServiceSpec.selector')),
  ],
  cells(object, now) {
    const service = object as unknown as Service;
    const { metadata, spec } = service;
    const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
      (nodePort ?? 0) > 0 ? `${port}:${nodePort}/${protocol ?? 'TCP'}` : `${port}/${protocol ?? 'TCP'}`,
    );
    return [
      metadata.name,
      spec?.type ?? '',
      spec?.clusterIPs?.[0] ?? '<none>',
      externalIp(service),
      ports.length === 0 ? '<none>' : ports.join(','),
      age(metadata.creationTimestamp, now),
      formatLabels(spec?.selector),
    ];
  },
};

function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return external.length === 0 ? '<none>' : external.join(',');
    case 'LoadBalancer': {
      const all = [...ingressPoints(status?.loadBalancer?.ingress), ...external];
      return all.length === 0 ? '<pending>' : all.join(',');
    }
    case 'ExternalName':
      return spec.externalName ?? '';
    default:
      return '<unknown>';
  }
}

function ingressPoints(
  points: readonly { ip?: string | undefined; hostname?: string | undefined }[] | undefined,
): string[] {
  const names = (points ?? []).map(({ ip, hostname }) => (ip !== undefined && ip !== '' ? ip : (hostname ?? '')));
  return [...new Set(names.filter((name) => name !== ''))].sort();
}

export const endpointsTable: TableSpec = {
  columns: [nameColumn, column('Endpoints', docOf('core.v1.Endpoints.subsets')), ageColumn],
  cells(object, now) {
    const { metadata, subsets } = object as unknown as Endpoints;
    const list = (subsets ?? []).flatMap(({ ports, addresses }) => {
      if ((ports ?? []).length === 0) return (addresses ?? []).map(({ ip }) => ip);
      return (ports ?? []).flatMap(({ port }) => (addresses ?? []).map(({ ip }) => hostPort(ip, port)));
    });
    const text = (subsets ?? []).length === 0 ? '<none>' : listWithMore(list, 3);
    return [metadata.name, text, age(metadata.creationTimestamp, now)];
  },
};

function hostPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export const endpointSliceTable: TableSpec = {
  columns: [
    nameColumn,
    column('AddressType', docOf('discovery.v1.EndpointSlice.addressType')),
    column('Ports', docOf('discovery.v1.EndpointSlice.ports')),
    column('Endpoints', docOf('discovery.v1.EndpointSlice.endpoints')),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, addressType, ports, endpoints } = object as unknown as EndpointSlice;
    const numbers = (ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? '*') : String(port)));
    const addresses = (endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []);
    return [
      metadata.name,
      addressType ?? '',
      orUnset(listWithMore(numbers, 3)),
      orUnset(listWithMore(addresses, 3)),
      age(metadata.creationTimestamp, now),
    ];
  },
};

function orUnset(text: string): string {
  return text === '' ? '<unset>' : text;
}

export const ingressTable: TableSpec = {
  columns: [
    nameColumn,
    column('Class', 'The name of the IngressClass resource that should be used for additional configuration'),
    column('Hosts', 'Hosts that incoming requests are matched against before the ingress rule'),
    column('Address', 'Address is a list containing ingress points for the load-balancer'),
    column('Ports', 'Ports of TLS configurations that open'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as Ingress;
    return [
      metadata.name,
      spec?.ingressClassName ?? '<none>',
      ingressHosts((spec?.rules ?? []).map((rule) => rule.host ?? '')),
      ingressPoints(status?.loadBalancer?.ingress).join(','),
      (spec?.tls ?? []).length === 0 ? '80' : '80, 443',
      age(metadata.creationTimestamp, now),
    ];
  },
};

/** Rules without a host count for "more", as Kubernetes counts. */
function ingressHosts(hosts: readonly string[]): string {
  const shown: string[] = [];
  let more = false;
  for (const host of hosts) {
    if (shown.length === 3) more = true;
    if (!more && host !== '') shown.push(host);
  }
  if (shown.length === 0) return '*';
  return more ? `${shown.join(',')} + ${hosts.length - 3} more...` : shown.join(',');
}

export const ingressClassTable: TableSpec = {
  columns: [
    nameColumn,
    column('Controller', 'Controller that is responsible for handling this class'),
    column('Parameters', 'A reference to a resource with additional parameters'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as IngressClass;
    const parameters = spec?.parameters;
    const kind = parameters?.apiGroup === undefined ? parameters?.kind : `${parameters.kind}.${parameters.apiGroup}`;
    return [
      metadata.name,
      spec?.controller ?? '',
      parameters === undefined ? '<none>' : `${kind}/${parameters.name}`,
      age(metadata.creationTimestamp, now),
    ];
  },
};

export const networkPolicyTable: TableSpec = {
  columns: [nameColumn, column('Pod-Selector', docOf('networking.v1.NetworkPolicySpec.podSelector')), ageColumn],
  cells(object, now) {
    const { metadata, spec } = object as unknown as NetworkPolicy;
    return [metadata.name, formatLabelSelector(spec?.podSelector ?? {}), age(metadata.creationTimestamp, now)];
  },
};

export const serviceCidrTable: TableSpec = {
  columns: [nameColumn, column('CIDRs', docOf('networking.v1.ServiceCIDRSpec.cidrs')), ageColumn],
  cells(object, now) {
    const { metadata, spec } = object as unknown as ServiceCIDR;
    return [metadata.name, (spec?.cidrs ?? []).join(','), age(metadata.creationTimestamp, now)];
  },
};

export const ipAddressTable: TableSpec = {
  columns: [nameColumn, column('ParentRef', docOf('networking.v1.IPAddressSpec.parentRef'))],
  cells(object) {
    const { metadata, spec } = object as unknown as IPAddress;
    const parent = spec?.parentRef;
    if (parent === undefined) return [metadata.name, '<none>'];
    const group = parent.group === undefined || parent.group === '' ? '' : `.${parent.group}`;
    const namespace = parent.namespace === undefined || parent.namespace === '' ? '' : `${parent.namespace}/`;
    return [metadata.name, `${`${parent.resource}${group}`.toLowerCase()}/${namespace}${parent.name}`];
  },
};
