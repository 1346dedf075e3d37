import type { ErrorCause } from '../../lib/errors.ts';
import { duplicate, forbidden, invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type {
  Affinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSpec,
  Taint,
  Toleration,
  TopologySpreadConstraint,
} from '../generated/types.ts';
import { validateLabelSelector } from '../label-selector-validation.ts';
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from '../names.ts';
import { parseInt64 } from '../selector/label-requirement.ts';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateTolerations(tolerations: readonly Toleration[] | undefined, path: string): ErrorCause[] {
  return (tolerations ?? []).flatMap((toleration, i) => {
    const field = `${path}[${i}]`;
    const { key = '', value = '' } = toleration;
    const operator: string = toleration.operator ?? '';
    const effect: string = toleration.effect ?? '';
    const causes = key === '' ? [] : invalidEach(`${field}.key`, key, qualifiedName(key));
    if (key === '' && operator !== 'Exists') {
      const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      causes.push(invalidValue(`${field}.operator`, operator, text));
    }
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
      const text = "effect must be 'NoExecute' when `tolerationSeconds` is set";
      causes.push(invalidValue(`${field}.effect`, effect, text));
    }
    if (operator === '' || operator === 'Equal') {
      const errors = labelValue(value);
      if (errors.length > 0) causes.push(invalidValue(`${field}.operator`, value, errors.join(';')));
    } else if (operator === 'Exists') {
      if (value !== '') {
        causes.push(invalidValue(`${field}.operator`, value, "value must be empty when `operator` is 'Exists'"));
      }
    } else {
      causes.push(notSupported(`${field}.operator`, operator, ['Equal', 'Exists']));
    }
    if (effect !== '' && !effects.includes(effect)) causes.push(notSupported(`${field}.effect`, effect, effects));
    return causes;
  });
}

/** `spec.taints` of a node. */
export function validateTaints(taints: readonly Taint[] | undefined, path: string): ErrorCause[] {
  const seen = new Set<string>();
  return (taints ?? []).flatMap((taint, i) => {
    const field = `${path}[${i}]`;
    const causes = invalidEach(`${field}.key`, taint.key, qualifiedName(taint.key ?? ''));
    const errors = labelValue(taint.value ?? '');
    if (errors.length > 0) causes.push(invalidValue(`${field}.value`, taint.value, errors.join(';')));
    const effect: string = taint.effect ?? '';
    if (effect === '') causes.push(required(`${field}.effect`));
    else if (!effects.includes(effect)) causes.push(notSupported(`${field}.effect`, effect, effects));
    const id = `${taint.effect}/${taint.key}`;
    if (seen.has(id)) {
      const cause = duplicate(field, taint);
      causes.push({ ...cause, message: `${cause.message}: taints must be unique by key and effect pair` });
    }
    seen.add(id);
    return causes;
  });
}

export function validateAffinity(affinity: Affinity | undefined, path: string): ErrorCause[] {
  if (affinity === undefined) return [];
  const causes: ErrorCause[] = [];
  const node = affinity.nodeAffinity;
  const requiredNodes = 'requiredDuringSchedulingIgnoredDuringExecution';
  const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
  if (node?.requiredDuringSchedulingIgnoredDuringExecution !== undefined) {
    const terms = node.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms ?? [];
    const field = `${path}.nodeAffinity.${requiredNodes}.nodeSelectorTerms`;
    if (terms.length === 0) causes.push(required(field, 'must have at least one node selector term'));
    for (const [i, term] of terms.entries()) causes.push(...validateNodeTerm(term, `${field}[${i}]`));
  }
  for (const [i, term] of (node?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const field = `${path}.nodeAffinity.${preferred}[${i}]`;
    causes.push(...validateWeight(term.weight, `${field}.weight`));
    causes.push(...validateNodeTerm(term.preference ?? {}, `${field}.preference`));
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    for (const [i, term] of (affinity[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      causes.push(...validatePodTerm(term, `${path}.${kind}.${requiredNodes}[${i}]`));
    }
    for (const [i, term] of (affinity[kind]?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const field = `${path}.${kind}.${preferred}[${i}]`;
      causes.push(...validateWeight(term.weight, `${field}.weight`));
      causes.push(...validatePodTerm(term.podAffinityTerm, `${field}.podAffinityTerm`));
    }
  }
  return causes;
}

function validateWeight(weight: number, field: string): ErrorCause[] {
  return weight >= 1 && weight <= 100 ? [] : [invalidValue(field, weight ?? 0, 'must be in the range 1-100')];
}

function validateNodeTerm(term: NodeSelectorTerm, path: string): ErrorCause[] {
  const expressions = (term.matchExpressions ?? []).flatMap((requirement, i) => {
    const field = `${path}.matchExpressions[${i}]`;
    return [
      ...validateNodeRequirement(requirement, field),
      ...invalidEach(`${field}.key`, requirement.key, qualifiedName(requirement.key ?? '')),
    ];
  });
  const fields = (term.matchFields ?? []).flatMap((requirement, i) => {
    const field = `${path}.matchFields[${i}]`;
    const values = requirement.values ?? [];
    const causes: ErrorCause[] = [];
    if (requirement.operator !== 'In' && requirement.operator !== 'NotIn') {
      causes.push(invalidValue(`${field}.operator`, requirement.operator, 'not a valid selector operator'));
    } else if (values.length !== 1) {
      const text = `must be only one value when \`operator\` is 'In' or 'NotIn' for node field selector`;
      causes.push(required(`${field}.values`, text));
    }
    if (requirement.key === 'metadata.name') {
      for (const [v, value] of values.entries()) {
        causes.push(...invalidEach(`${field}.values[${v}]`, value, dns1123Subdomain(value)));
      }
    } else {
      causes.push(invalidValue(`${field}.key`, requirement.key, 'not a valid field selector key'));
    }
    return causes;
  });
  return [...expressions, ...fields];
}

function validateNodeRequirement(requirement: NodeSelectorRequirement, field: string): ErrorCause[] {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      return values.length === 0
        ? [required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'")]
        : [];
    case 'Exists':
    case 'DoesNotExist':
      return values.length > 0
        ? [forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
        : [];
    case 'Gt':
    case 'Lt':
      return values.length === 1 && parseInt64(values[0] ?? '') !== undefined
        ? []
        : [required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'")];
    default:
      return [invalidValue(`${field}.operator`, requirement.operator, 'not a valid selector operator')];
  }
}

function validatePodTerm(term: PodAffinityTerm, path: string): ErrorCause[] {
  const causes = [
    ...validateLabelSelector(term.labelSelector, `${path}.labelSelector`),
    ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`),
  ];
  for (const name of term.namespaces ?? []) causes.push(...invalidEach(`${path}.namespace`, name, dns1123Label(name)));
  if ((term.topologyKey ?? '') === '') causes.push(required(`${path}.topologyKey`, 'can not be empty'));
  causes.push(...invalidEach(`${path}.topologyKey`, term.topologyKey ?? '', qualifiedName(term.topologyKey ?? '')));
  return causes;
}

export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[] | undefined,
  path: string,
): ErrorCause[] {
  const seen = new Set<string>();
  const modes = ['DoNotSchedule', 'ScheduleAnyway'];
  return (constraints ?? []).flatMap((constraint, i) => {
    const field = `${path}[${i}]`;
    const causes: ErrorCause[] = [];
    const { maxSkew = 0, minDomains, topologyKey = '' } = constraint;
    const mode: string = constraint.whenUnsatisfiable ?? '';
    if (maxSkew <= 0) causes.push(invalidValue(`${field}.maxSkew`, maxSkew, 'must be greater than zero'));
    if (topologyKey === '') causes.push(required(`${field}.topologyKey`, 'can not be empty'));
    else causes.push(...invalidEach(`${field}.topologyKey`, topologyKey, qualifiedName(topologyKey)));
    if (!modes.includes(mode)) causes.push(notSupported(`${field}.whenUnsatisfiable`, mode, modes));
    if (seen.has(`${topologyKey} ${mode}`)) {
      causes.push(duplicate(`${field}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${mode}}`));
    }
    seen.add(`${topologyKey} ${mode}`);
    if (minDomains !== undefined && minDomains <= 0) {
      causes.push(invalidValue(`${field}.minDomains`, minDomains, 'must be greater than zero'));
    }
    if (minDomains !== undefined && mode !== 'DoNotSchedule') {
      const text = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${mode}`;
      causes.push(invalidValue(`${field}.minDomains`, minDomains, text));
    }
    for (const policy of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const value = constraint[policy];
      if (value !== undefined && value !== 'Honor' && value !== 'Ignore') {
        causes.push(notSupported(`${field}.${policy}`, value, ['Honor', 'Ignore']));
      }
    }
    causes.push(...validateLabelSelector(constraint.labelSelector, `${field}.labelSelector`));
    return causes;
  });
}

export function validateSchedulingGates(spec: PodSpec, path: string): ErrorCause[] {
  const seen = new Set<string>();
  return (spec.schedulingGates ?? []).flatMap(({ name }, i) => {
    const causes = invalidEach(`${path}[${i}]`, name, qualifiedName(name ?? ''));
    if (seen.has(name)) causes.push(duplicate(`${path}[${i}]`, name));
    seen.add(name);
    return causes;
  });
}
