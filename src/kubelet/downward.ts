import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '../api/generated/types.ts';
import { tryParseQuantity } from '../api/quantity.ts';
import { CausewayError } from '../lib/errors.ts';

/** What of the pod is known only on its node. */
export interface PodAddresses {
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
}

/** The value of a `fieldRef`. Throws `Invalid` for a path that Kubernetes does not offer. */
export function fieldValue(pod: Pod, ref: ObjectFieldSelector, addresses: PodAddresses): string {
  const path = ref.fieldPath;
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (keyed !== null) return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'metadata.labels':
      return keyValueLines(pod.metadata.labels);
    case 'metadata.annotations':
      return keyValueLines(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec?.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'status.hostIP':
      return addresses.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return addresses.hostIPs.join(',');
    case 'status.podIP':
      return addresses.podIPs[0] ?? '';
    case 'status.podIPs':
      return addresses.podIPs.join(',');
    default:
      throw new CausewayError('Invalid', `unsupported fieldPath: ${path}`);
  }
}

function keyValueLines(map: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map((key) => `${key}=${JSON.stringify(map?.[key])}`)
    .join('\n');
}

/** The value of a `resourceFieldRef`, in units of its divisor, rounded up; a missing limit is the node's own room. */
export function resourceValue(
  pod: Pod,
  ref: ResourceFieldSelector,
  ownContainer: string | undefined,
  nodeRoom: Readonly<Record<string, string>>,
): string {
  const name = ref.containerName ?? ownContainer;
  const all: readonly Container[] = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const container = all.find((c) => c.name === name);
  if (container === undefined) throw new CausewayError('Invalid', `container ${name} not found in the pod`);
  const [where, what] = splitResource(ref.resource);
  const amount = container.resources?.[where]?.[what] ?? (where === 'limits' ? nodeRoom[what] : '0') ?? '0';
  const value = tryParseQuantity(amount)?.toNumber() ?? 0;
  const divisor = tryParseQuantity(ref.divisor ?? '1')?.toNumber() ?? 1;
  return String(Math.ceil(value / (divisor === 0 ? 1 : divisor)));
}

function splitResource(resource: string): ['limits' | 'requests', string] {
  const match = /^(limits|requests)\.(.+)$/.exec(resource);
  if (match === null) throw new CausewayError('Invalid', `unsupported container resource : ${resource}`);
  return [match[1] as 'limits' | 'requests', match[2] ?? ''];
}
