import type { Node, Pod, Taint, Toleration, TopologySpreadConstraint } from '../api/generated/types.ts';
import { labelSelectorFrom } from '../api/selector/label-selector.ts';
import { domainHas, matchesNodeAffinity, termSelects } from './affinity.ts';
import type { NodeInfo } from './node-info.ts';
import { allocatable, podRequests } from './pod-requests.ts';

/** What a filter sees beside the pod and the node in question. */
export interface Situation {
  readonly all: readonly NodeInfo[];
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
}

/** Answers the reasons why the pod cannot run on the node, in Kubernetes' words; none when it can. */
export type Filter = (pod: Pod, info: NodeInfo, situation: Situation) => readonly string[];

const UNSCHEDULABLE_TAINT: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some(
    (t) =>
      (((t.effect ?? '') as string) === '' || t.effect === taint.effect) &&
      (t.key === undefined || t.key === '' || t.key === taint.key) &&
      (t.operator === 'Exists' || (t.value ?? '') === (taint.value ?? '')),
  );
}

const nodeName: Filter = (pod, info) =>
  pod.spec?.nodeName !== undefined && pod.spec.nodeName !== '' && pod.spec.nodeName !== info.name
    ? ["node(s) didn't match the requested node name"]
    : [];

const nodeUnschedulable: Filter = (pod, info) =>
  info.node.spec?.unschedulable === true && !tolerates(pod.spec?.tolerations ?? [], UNSCHEDULABLE_TAINT)
    ? ['node(s) were unschedulable']
    : [];

const taintToleration: Filter = (pod, info) => {
  const taint = (info.node.spec?.taints ?? []).find(
    (t) => (t.effect === 'NoSchedule' || t.effect === 'NoExecute') && !tolerates(pod.spec?.tolerations ?? [], t),
  );
  return taint === undefined ? [] : [`node(s) had untolerated taint(s)`];
};

const nodeAffinity: Filter = (pod, info) =>
  matchesNodeAffinity(pod, info.node) ? [] : ["node(s) didn't match Pod's node affinity/selector"];

const nodePorts: Filter = (pod, info) => {
  const wanted = hostPorts(pod);
  if (wanted.length === 0) return [];
  const used = info.pods.flatMap(hostPorts);
  const clash = wanted.some((w) =>
    used.some(
      (u) =>
        u.port === w.port && u.protocol === w.protocol && (u.ip === w.ip || u.ip === '0.0.0.0' || w.ip === '0.0.0.0'),
    ),
  );
  return clash ? ["node(s) didn't have free ports for the requested pod ports"] : [];
};

function hostPorts(pod: Pod): { ip: string; port: number; protocol: string }[] {
  return (pod.spec?.containers ?? []).flatMap((c) =>
    (c.ports ?? [])
      .filter((p) => (p.hostPort ?? 0) > 0)
      .map((p) => ({ ip: p.hostIP ?? '0.0.0.0', port: p.hostPort ?? 0, protocol: p.protocol ?? 'TCP' })),
  );
}

const resourcesFit: Filter = (pod, info) => {
  const room = allocatable(info.node);
  const reasons: string[] = [];
  if (info.pods.length + 1 > (room.get('pods') ?? Number.POSITIVE_INFINITY)) reasons.push('Too many pods');
  for (const [name, amount] of podRequests(pod)) {
    if (amount > 0 && amount > (room.get(name) ?? 0) - (info.requested.get(name) ?? 0))
      reasons.push(`Insufficient ${name}`);
  }
  return reasons;
};

const interPodAffinity: Filter = (pod, info, { all, namespaceLabels }) => {
  const affinity = pod.spec?.affinity;
  for (const term of affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
    // The first pod of a group that wants to be with its own kind may go anywhere that has the topology key.
    const anywhere = all.some((i) => i.pods.some((p) => termSelects(term, pod, p, namespaceLabels)));
    const first = !anywhere && termSelects(term, pod, pod, namespaceLabels);
    const hasKey = info.node.metadata?.labels?.[term.topologyKey] !== undefined;
    if (!(first && hasKey) && !domainHas(term, pod, info.node, all, namespaceLabels)) {
      return ["node(s) didn't match pod affinity rules"];
    }
  }
  for (const term of affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
    if (domainHas(term, pod, info.node, all, namespaceLabels)) return ["node(s) didn't match pod anti-affinity rules"];
  }
  return repelledByOthers(pod, info.node, all, namespaceLabels)
    ? ["node(s) didn't satisfy existing pods anti-affinity rules"]
    : [];
};

function repelledByOthers(
  pod: Pod,
  node: Node,
  all: readonly NodeInfo[],
  namespaceLabels: Situation['namespaceLabels'],
): boolean {
  return all.some((other) =>
    other.pods.some((p) =>
      (p.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).some((term) => {
        const domain = node.metadata?.labels?.[term.topologyKey];
        return (
          domain !== undefined &&
          other.node.metadata?.labels?.[term.topologyKey] === domain &&
          termSelects(term, p, pod, namespaceLabels)
        );
      }),
    ),
  );
}

const topologySpread: Filter = (pod, info, { all }) => {
  for (const constraint of pod.spec?.topologySpreadConstraints ?? []) {
    if (constraint.whenUnsatisfiable !== 'DoNotSchedule') continue;
    const domain = info.node.metadata?.labels?.[constraint.topologyKey];
    if (domain === undefined) return ["node(s) didn't match pod topology spread constraints (missing required label)"];
    const counts = spreadCounts(constraint, pod, all);
    const domains = counts.size;
    const fewest = domains < (constraint.minDomains ?? 1) ? 0 : Math.min(...counts.values());
    const self = labelSelectorFrom(constraint.labelSelector ?? {}).matches(pod.metadata.labels ?? {}) ? 1 : 0;
    if ((counts.get(domain) ?? 0) + self - fewest > constraint.maxSkew) {
      return ["node(s) didn't match pod topology spread constraints"];
    }
  }
  return [];
};

/** How many matching pods each eligible domain has. */
export function spreadCounts(
  constraint: TopologySpreadConstraint,
  pod: Pod,
  all: readonly NodeInfo[],
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const info of all) {
    const domain = info.node.metadata?.labels?.[constraint.topologyKey];
    if (domain === undefined) continue;
    if (constraint.nodeAffinityPolicy !== 'Ignore' && !matchesNodeAffinity(pod, info.node)) continue;
    if (
      constraint.nodeTaintsPolicy === 'Honor' &&
      taintToleration(pod, info, { all, namespaceLabels: () => ({}) }).length > 0
    ) {
      continue;
    }
    const own = pod.metadata?.labels ?? {};
    const matching = info.pods.filter((p) => {
      const labels = p.metadata?.labels ?? {};
      return (
        p.metadata?.namespace === pod.metadata?.namespace &&
        p.metadata?.deletionTimestamp === undefined &&
        labelSelectorFrom(constraint.labelSelector ?? {}).matches(labels) &&
        (constraint.matchLabelKeys ?? []).every((k) => own[k] === undefined || labels[k] === own[k])
      );
    }).length;
    counts.set(domain, (counts.get(domain) ?? 0) + matching);
  }
  return counts;
}

/** In the order in which they are asked; the first that refuses a node gives its reasons. */
export const FILTERS: readonly Filter[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  resourcesFit,
  topologySpread,
  interPodAffinity,
];
