import type { ErrorCause } from '../../lib/errors.ts';
import { duplicate, forbidden, invalidValue } from '../field-error.ts';
import type { Node } from '../generated/types.ts';
import { parseCidr, validateCidr } from '../ip-address.ts';
import type { KindRules } from '../kind-rules.ts';
import type { KubeObject } from '../object.ts';
import { canonicalizeResourceList } from '../quantity.ts';
import { dropZeroes } from '../zero-values.ts';
import { validateQuantityOf } from './resource-requirements.ts';
import { validateTaints } from './scheduling-validation.ts';

const asNode = (object: KubeObject): Node => object as unknown as Node;

export const nodeRules: KindRules = {
  // A kubelet registers itself with its status.
  initialStatus: 'keep',
  defaults(object) {
    const { spec, status } = asNode(object);
    canonicalizeResourceList(status?.capacity);
    canonicalizeResourceList(status?.allocatable);
    if (status?.capacity !== undefined) status.allocatable ??= { ...status.capacity };
    if (spec === undefined) return;
    dropZeroes(spec, ['unschedulable', 'podCIDR', 'podCIDRs', 'providerID', 'taints']);
    if ((spec.podCIDR ?? '') !== '') spec.podCIDRs ??= [spec.podCIDR as string];
    else if (spec.podCIDRs?.[0] !== undefined) spec.podCIDR = spec.podCIDRs[0];
  },
  validate(object) {
    const node = asNode(object);
    return [
      ...validateTaints(node.spec?.taints, 'metadata.taints'),
      ...validateNodeResources(node),
      ...validatePodCidrs(node.spec?.podCIDRs ?? []),
    ];
  },
  validateUpdate(object, old) {
    const node = asNode(object);
    const before = asNode(old);
    return [
      ...validateNodeResources(node),
      ...validateAddresses(node),
      ...validateFixedSpec(node, before),
      ...validateTaints(node.spec?.taints, 'metadata.taints'),
    ];
  },
  selectableFields: (object) => ({ 'spec.unschedulable': String(asNode(object).spec?.unschedulable ?? false) }),
};

function validateNodeResources({ status }: Node): ErrorCause[] {
  return (['capacity', 'allocatable'] as const).flatMap((list) =>
    Object.entries(status?.[list] ?? {}).flatMap(([name, quantity]) =>
      validateQuantityOf(name, quantity, `status.${list}.${name}`),
    ),
  );
}

function validatePodCidrs(cidrs: readonly string[]): ErrorCause[] {
  const causes = cidrs.flatMap((cidr, i) => validateCidr(`spec.podCIDRs[${i}]`, cidr));
  const families = new Set(cidrs.map((cidr) => parseCidr(cidr)?.ip.family));
  if (cidrs.length > 1 && families.size !== cidrs.length) {
    causes.push(invalidValue('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'));
  }
  return causes;
}

function validateAddresses({ status }: Node): ErrorCause[] {
  const seen = new Set<string>();
  return (status?.addresses ?? []).flatMap((address, i) => {
    const text = `${address.type} ${address.address}`;
    if (seen.has(text)) return [duplicate(`status.addresses[${i}]`, address)];
    seen.add(text);
    return [];
  });
}

/** What a node is told once: its pod network, its provider's id. */
function validateFixedSpec(node: Node, before: Node): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const old = before.spec?.podCIDRs ?? [];
  const cidrs = node.spec?.podCIDRs ?? [];
  if (old.length > 0 && (old.length !== cidrs.length || old.some((cidr, i) => cidr !== cidrs[i]))) {
    causes.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  }
  const provider = before.spec?.providerID ?? '';
  if (provider !== '' && provider !== node.spec?.providerID) {
    causes.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'));
  }
  return causes;
}
