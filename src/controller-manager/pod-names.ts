import { BlockList, isIP } from 'node:net';
import type { Node, Pod, Service } from '../api/generated/types.ts';
import { selectsPod } from './endpoints.ts';

const CLUSTER_DOMAIN = 'cluster.local';

/**
 * The DNS names that a pod may serve under: its own, and those of each service of its namespace whose selector it matches. So whoever
 * may label a pod of a namespace may give it the name of any service in there, as he may take that service's traffic.
 */
export function podDnsNames(pod: Pod, services: readonly Service[]): string[] {
  const { name = '', namespace = '' } = pod.metadata;
  const { hostname = '', subdomain = '' } = pod.spec ?? {};
  const names = services
    .filter((service) => service.metadata.namespace === namespace && selectsPod(service, pod))
    .flatMap(({ metadata, spec }) => {
      const own = `${metadata.name}.${namespace}.svc`;
      const headless = spec?.clusterIP === 'None' && metadata.name === subdomain && hostname !== '';
      return headless ? [own, `${hostname}.${own}`] : [own];
    });
  return [`${name}.${namespace}.pod`, ...names.flatMap((one) => [one, `${one}.${CLUSTER_DOMAIN}`])];
}

/** What else has an address. */
export interface AddressUsers {
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
}

/**
 * The addresses of a pod that are its alone. A node reports them, so each must be of the node's own range, and nobody else's: neither
 * another pod's, nor a node's, nor a service's. A pod on its node's network has none.
 */
export function podAddresses(pod: Pod, node: Node, { pods, nodes, services }: AddressUsers): string[] {
  if (pod.spec?.hostNetwork === true) return [];
  const range = rangeOf(node);
  const others = new Set([
    ...pods.filter(({ metadata }) => metadata.uid !== pod.metadata.uid).flatMap(addressesOfPod),
    ...nodes.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)),
    ...services.flatMap(({ spec }) => spec?.clusterIPs ?? []),
  ]);
  return addressesOfPod(pod).filter(
    (address) => range.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') && !others.has(address),
  );
}

function addressesOfPod({ status }: Pod): string[] {
  return (status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => isIP(ip) !== 0);
}

function rangeOf({ spec }: Node): BlockList {
  const range = new BlockList();
  for (const cidr of spec?.podCIDRs ?? []) {
    const [address = '', bits = ''] = cidr.split('/');
    range.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return range;
}
