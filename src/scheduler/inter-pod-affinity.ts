import type { Pod, PodAffinityTerm } from '../api/generated/types.ts';
import { matchesLabelSelector } from '../api/selector/label-selector.ts';
import type { NodeInfo } from './cluster-state.ts';
import { type Filter, MAX_SCORE, OK, type Score, type Situation } from './framework.ts';
import type { PodInfo } from './pod-info.ts';

/** What a required term of a pod that runs already is worth when another one is rated. */
const REQUIRED_WEIGHT = 1;

type NamespaceLabels = Situation['namespaceLabels'];

/** Whether `candidate` is one of the pods that a term of `owner` speaks of. */
export function termSelects(term: PodAffinityTerm, owner: Pod, candidate: Pod, labelsOf: NamespaceLabels): boolean {
  const namespace = candidate.metadata.namespace ?? '';
  const listed = term.namespaces ?? [];
  const inNamespace =
    listed.length === 0 && term.namespaceSelector === undefined
      ? namespace === owner.metadata.namespace
      : listed.includes(namespace) || matchesLabelSelector(term.namespaceSelector, labelsOf(namespace));
  if (!inNamespace) return false;
  const labels = candidate.metadata.labels ?? {};
  if (!matchesLabelSelector(term.labelSelector, labels)) return false;
  const own = owner.metadata.labels ?? {};
  return (
    (term.matchLabelKeys ?? []).every((k) => own[k] === undefined || labels[k] === own[k]) &&
    (term.mismatchLabelKeys ?? []).every((k) => own[k] === undefined || labels[k] !== own[k])
  );
}

/** How many pods, or what weight of them, each topology domain has: by key, then by value. */
class Domains {
  readonly #counts = new Map<string, Map<string, number>>();

  add(key: string, node: NodeInfo, amount: number): void {
    const value = node.labels[key];
    if (value === undefined) return;
    const counts = this.#counts.get(key) ?? new Map<string, number>();
    counts.set(value, (counts.get(value) ?? 0) + amount);
    this.#counts.set(key, counts);
  }

  get(key: string, node: NodeInfo): number {
    const value = node.labels[key];
    return value === undefined ? 0 : (this.#counts.get(key)?.get(value) ?? 0);
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  total(node: NodeInfo): number {
    let sum = 0;
    for (const key of this.#counts.keys()) sum += this.get(key, node);
    return sum;
  }
}

/** Where pods are that must not have the incoming one near them. */
function repelling(info: PodInfo, { nodes, namespaceLabels }: Situation): Domains {
  const domains = new Domains();
  for (const node of nodes) {
    for (const other of node.withAntiAffinity) {
      for (const term of other.requiredAntiAffinity) {
        if (termSelects(term, other.pod, info.pod, namespaceLabels)) domains.add(term.topologyKey, node, 1);
      }
    }
  }
  return domains;
}

/** Where pods are of which the terms speak: with `together`, of which all of them do. */
function matching(
  terms: readonly PodAffinityTerm[],
  together: boolean,
  { pod }: PodInfo,
  { nodes, namespaceLabels }: Situation,
): Domains {
  const domains = new Domains();
  if (terms.length === 0) return domains;
  for (const node of nodes) {
    for (const other of node.pods.values()) {
      const selected = terms.filter((term) => termSelects(term, pod, other.pod, namespaceLabels));
      if (together && selected.length < terms.length) continue;
      for (const term of selected) domains.add(term.topologyKey, node, 1);
    }
  }
  return domains;
}

export const interPodAffinityFilter: Filter = {
  name: 'InterPodAffinity',
  prepare(info, situation) {
    const { requiredAffinity: near, requiredAntiAffinity: far, pod } = info;
    const repelled = repelling(info, situation);
    if (near.length === 0 && far.length === 0 && repelled.isEmpty) return undefined;
    const wanted = matching(near, true, info, situation);
    const unwanted = matching(far, false, info, situation);
    // The first pod of a group that wants to be with its own kind may go anywhere that has the topology keys.
    const isFirst = wanted.isEmpty && near.every((t) => termSelects(t, pod, pod, situation.namespaceLabels));
    return (node) => {
      for (const { topologyKey } of near) {
        const fits = node.labels[topologyKey] !== undefined && (isFirst || wanted.get(topologyKey, node) > 0);
        if (!fits) return ["node(s) didn't match pod affinity rules"];
      }
      if (far.some(({ topologyKey }) => unwanted.get(topologyKey, node) > 0)) {
        return ["node(s) didn't match pod anti-affinity rules"];
      }
      return repelled.total(node) > 0 ? ["node(s) didn't satisfy existing pods anti-affinity rules"] : OK;
    };
  },
};

export const interPodAffinityScore: Score = {
  name: 'InterPodAffinity',
  weight: 2,
  rate(info, nodes, situation) {
    const { podAffinity, podAntiAffinity } = info.pod.spec?.affinity ?? {};
    const near = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const far = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const hasOwn = near.length > 0 || far.length > 0;
    const weights = new Domains();
    const labelsOf = situation.namespaceLabels;
    for (const node of situation.nodes) {
      for (const other of hasOwn ? node.pods.values() : []) {
        for (const { weight, podAffinityTerm: term } of near) {
          if (termSelects(term, info.pod, other.pod, labelsOf)) weights.add(term.topologyKey, node, weight);
        }
        for (const { weight, podAffinityTerm: term } of far) {
          if (termSelects(term, info.pod, other.pod, labelsOf)) weights.add(term.topologyKey, node, -weight);
        }
      }
      for (const other of node.withAffinity) addWishesOf(other, info.pod, node, labelsOf, weights);
    }
    if (weights.isEmpty) return undefined;
    const raw = nodes.map((node) => weights.total(node));
    const [least, most] = [Math.min(...raw), Math.max(...raw)];
    if (least === most) return undefined;
    return raw.map((score) => Math.floor((MAX_SCORE * (score - least)) / (most - least)));
  },
};

/** What a pod that runs already wishes of the incoming one. */
function addWishesOf(other: PodInfo, pod: Pod, node: NodeInfo, labelsOf: NamespaceLabels, weights: Domains): void {
  const { podAffinity, podAntiAffinity } = other.pod.spec?.affinity ?? {};
  for (const term of other.requiredAffinity) {
    if (termSelects(term, other.pod, pod, labelsOf)) weights.add(term.topologyKey, node, REQUIRED_WEIGHT);
  }
  for (const { weight, podAffinityTerm: term } of podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
    if (termSelects(term, other.pod, pod, labelsOf)) weights.add(term.topologyKey, node, weight);
  }
  for (const { weight, podAffinityTerm: term } of podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ??
    []) {
    if (termSelects(term, other.pod, pod, labelsOf)) weights.add(term.topologyKey, node, -weight);
  }
}
