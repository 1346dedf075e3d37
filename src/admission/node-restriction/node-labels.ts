/** Labels under kubernetes.io and k8s.io that a kubelet may set on its own Node. */
const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.kubernetes.io/zone',
  'failure-domain.kubernetes.io/region',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);

type Labels = Readonly<Record<string, string>> | undefined;

/** Those that differ and that a node may not set, change or remove: it would draw other pods' work to itself. Sorted. */
export function forbiddenLabels(now: Labels, before: Labels): string[] {
  const a = new Map(Object.entries(now ?? {}));
  const b = new Map(Object.entries(before ?? {}));
  const changed = [...a.keys(), ...b.keys()].filter((key) => a.get(key) !== b.get(key));
  return [...new Set(changed.filter(isForbidden))].sort();
}

function isForbidden(key: string): boolean {
  const slash = key.indexOf('/');
  const domain = slash < 0 ? '' : key.slice(0, slash);
  if (isUnder(domain, 'node-restriction.kubernetes.io') || isUnder(domain, 'causeway.dev')) return true;
  if (!isUnder(domain, 'kubernetes.io') && !isUnder(domain, 'k8s.io')) return false;
  const own = isUnder(domain, 'kubelet.kubernetes.io') || isUnder(domain, 'node.kubernetes.io');
  return !own && !kubeletLabels.has(key);
}

function isUnder(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`);
}
