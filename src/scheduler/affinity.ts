import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodAffinityTerm } from '../api/generated/types.ts';
import { labelSelectorFrom } from '../api/selector/label-selector.ts';
import type { NodeInfo } from './node-info.ts';

/** One requirement of a node selector term: `core/v1 NodeSelectorRequirement`. */
export function matchesRequirement(requirement: NodeSelectorRequirement, value: string | undefined): boolean {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const bound = Number(values[0]);
      return requirement.operator === 'Gt' ? Number(value) > bound : Number(value) < bound;
    }
    default:
      return false;
  }
}

/** A term matches when all of its requirements do; an empty one matches nothing. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  return (
    expressions.every((r) => matchesRequirement(r, node.metadata?.labels?.[r.key])) &&
    fields.every((r) => r.key === 'metadata.name' && matchesRequirement(r, node.metadata?.name))
  );
}

/** `nodeSelector` and the required node affinity. */
export function matchesNodeAffinity(pod: Pod, node: Node): boolean {
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) {
    if (node.metadata?.labels?.[key] !== value) return false;
  }
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** Whether `candidate` is one of the pods that a term of `owner` speaks of. */
export function termSelects(
  term: PodAffinityTerm,
  owner: Pod,
  candidate: Pod,
  namespaceLabels: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  const namespace = candidate.metadata?.namespace ?? '';
  const listed = term.namespaces ?? [];
  const inNamespace =
    listed.includes(namespace) ||
    (term.namespaceSelector !== undefined &&
      labelSelectorFrom(term.namespaceSelector).matches(namespaceLabels(namespace))) ||
    (listed.length === 0 && term.namespaceSelector === undefined && namespace === owner.metadata?.namespace);
  if (!inNamespace || term.labelSelector === undefined) return false;
  const labels = candidate.metadata?.labels ?? {};
  if (!labelSelectorFrom(term.labelSelector).matches(labels)) return false;
  const own = owner.metadata?.labels ?? {};
  return (
    (term.matchLabelKeys ?? []).every((k) => own[k] === undefined || labels[k] === own[k]) &&
    (term.mismatchLabelKeys ?? []).every((k) => own[k] === undefined || labels[k] !== own[k])
  );
}

/** Whether some pod that the term selects runs in the topology domain of `node`. */
export function domainHas(
  term: PodAffinityTerm,
  owner: Pod,
  node: Node,
  all: readonly NodeInfo[],
  namespaceLabels: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  const domain = node.metadata?.labels?.[term.topologyKey];
  if (domain === undefined) return false;
  return all.some(
    (info) =>
      info.node.metadata?.labels?.[term.topologyKey] === domain &&
      info.pods.some((pod) => termSelects(term, owner, pod, namespaceLabels)),
  );
}
