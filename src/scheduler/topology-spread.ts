import type { Pod, TopologySpreadConstraint } from '../api/generated/types.ts';
import { matchesLabelSelector } from '../api/selector/label-selector.ts';
import type { NodeInfo } from './cluster-state.ts';
import { type Filter, MAX_SCORE, OK, type Score } from './framework.ts';
import { matchesNodeAffinity } from './node-affinity.ts';
import { tolerates } from './tolerations.ts';

const MISMATCH = "node(s) didn't match pod topology spread constraints";

/** A constraint and which pods it counts. */
interface Spread {
  readonly key: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly counts: (pod: Pod) => boolean;
  /** Whether the node's pods count at all. */
  readonly includes: (node: NodeInfo) => boolean;
}

/** What Kubernetes does for pods of one owner that say nothing: spread them over nodes and zones, if that costs nothing. */
const DEFAULTS: readonly { readonly key: string; readonly maxSkew: number }[] = [
  { key: 'kubernetes.io/hostname', maxSkew: 3 },
  { key: 'topology.kubernetes.io/zone', maxSkew: 5 },
];

function spreadOf(constraint: TopologySpreadConstraint, pod: Pod): Spread {
  const own = pod.metadata.labels ?? {};
  const keys = (constraint.matchLabelKeys ?? []).filter((k) => own[k] !== undefined);
  return {
    key: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    counts: (other) => {
      const labels = other.metadata.labels ?? {};
      return matchesLabelSelector(constraint.labelSelector, labels) && keys.every((k) => labels[k] === own[k]);
    },
    includes: (node) =>
      (constraint.nodeAffinityPolicy === 'Ignore' || matchesNodeAffinity(pod, node.node)) &&
      (constraint.nodeTaintsPolicy !== 'Honor' ||
        node.hardTaints.every((taint) => tolerates(pod.spec?.tolerations ?? [], taint))),
  };
}

function spreadsOf(pod: Pod, whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'): Spread[] {
  return (pod.spec?.topologySpreadConstraints ?? [])
    .filter((c) => c.whenUnsatisfiable === whenUnsatisfiable)
    .map((c) => spreadOf(c, pod));
}

/** How many pods each domain has that count; of nodes that lack one of the keys none do. */
function countDomains(
  spread: Spread,
  all: readonly Spread[],
  pod: Pod,
  nodes: readonly NodeInfo[],
): Map<string, number> {
  const domains = new Map<string, number>();
  for (const node of nodes) {
    if (all.some(({ key }) => node.labels[key] === undefined) || !spread.includes(node)) continue;
    const domain = node.labels[spread.key] ?? '';
    let count = domains.get(domain) ?? 0;
    for (const { pod: other } of node.pods.values()) {
      if (
        other.metadata.namespace === pod.metadata.namespace &&
        other.metadata.deletionTimestamp === undefined &&
        spread.counts(other)
      ) {
        count++;
      }
    }
    domains.set(domain, count);
  }
  return domains;
}

export const topologySpreadFilter: Filter = {
  name: 'PodTopologySpread',
  prepare({ pod }, { nodes }) {
    const spreads = spreadsOf(pod, 'DoNotSchedule');
    if (spreads.length === 0) return undefined;
    const counted = spreads.map((spread) => {
      const domains = countDomains(spread, spreads, pod, nodes);
      const fewest = domains.size < spread.minDomains ? 0 : Math.min(...domains.values());
      return { spread, domains, fewest, self: spread.counts(pod) ? 1 : 0 };
    });
    return (node) => {
      for (const { spread, domains, fewest, self } of counted) {
        const domain = node.labels[spread.key];
        if (domain === undefined) return [`${MISMATCH} (missing required label)`];
        if ((domains.get(domain) ?? 0) + self - fewest > spread.maxSkew) return [MISMATCH];
      }
      return OK;
    };
  },
};

export const topologySpreadScore: Score = {
  name: 'PodTopologySpread',
  weight: 2,
  rate({ pod }, nodes, situation) {
    const own = spreadsOf(pod, 'ScheduleAnyway');
    const hasConstraints = (pod.spec?.topologySpreadConstraints ?? []).length > 0;
    const spreads = hasConstraints ? own : defaultSpreads(pod);
    if (spreads.length === 0) return undefined;
    // A node that lacks a key that the pod names is rated last; keys that it does not name are no reason.
    const isIgnored = (node: NodeInfo): boolean =>
      hasConstraints && spreads.some(({ key }) => node.labels[key] === undefined);
    const counted = spreads.map((spread) => {
      const domains = countDomains(spread, hasConstraints ? spreads : [spread], pod, situation.nodes);
      return { spread, domains, weight: Math.log(domains.size + 2) };
    });
    const raw = nodes.map((node) => {
      let sum = 0;
      for (const { spread, domains, weight } of counted) {
        const domain = node.labels[spread.key];
        if (domain !== undefined) sum += (domains.get(domain) ?? 0) * weight + (spread.maxSkew - 1);
      }
      return Math.round(sum);
    });
    const rated = raw.filter((_, i) => !isIgnored(nodes[i] as NodeInfo));
    const [least, most] = [Math.min(...rated), Math.max(...rated)];
    return raw.map((score, i) => {
      if (isIgnored(nodes[i] as NodeInfo)) return 0;
      return most === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (most + least - score)) / most);
    });
  },
};

function defaultSpreads(pod: Pod): Spread[] {
  const owner = pod.metadata.ownerReferences?.find((r) => r.controller === true)?.uid;
  if (owner === undefined) return [];
  return DEFAULTS.map(({ key, maxSkew }) => ({
    key,
    maxSkew,
    minDomains: 1,
    counts: (other) => other.metadata.ownerReferences?.some((r) => r.controller === true && r.uid === owner) === true,
    includes: () => true,
  }));
}
