import type { NodeInfo } from './cluster-state.ts';
import { FILTERS } from './filters.ts';
import type { FilterName, NodeCheck, Situation } from './framework.ts';
import type { PodInfo } from './pod-info.ts';
import { SCORES } from './scores.ts';

export type Choice =
  | { readonly nodeName: string }
  /** Kubernetes' sentence, and which filters refused at least one node. */
  | { readonly failure: string; readonly filters: ReadonlySet<FilterName> };

/** The node that suits the pod best; of equal ones any. `random`: 0 up to 1. */
export function chooseNode(info: PodInfo, situation: Situation, random: () => number): Choice {
  const { feasible, refusals, filters } = filterNodes(info, situation);
  if (feasible.length === 0) return { failure: failureMessage(situation.nodes.length, refusals), filters };
  const [only] = feasible;
  if (feasible.length === 1 && only !== undefined) return { nodeName: only.name };
  return { nodeName: best(feasible, rate(info, feasible, situation), random).name };
}

function filterNodes(info: PodInfo, situation: Situation) {
  const checks = FILTERS.flatMap((filter): { name: FilterName; check: NodeCheck }[] => {
    const check = filter.prepare(info, situation);
    return check === undefined ? [] : [{ name: filter.name, check }];
  });
  const feasible: NodeInfo[] = [];
  const refusals = new Map<string, number>();
  const filters = new Set<FilterName>();
  for (const node of situation.nodes) {
    let refused = false;
    for (const { name, check } of checks) {
      const reasons = check(node);
      if (reasons.length === 0) continue;
      for (const reason of reasons) refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
      filters.add(name);
      refused = true;
      break;
    }
    if (!refused) feasible.push(node);
  }
  return { feasible, refusals, filters };
}

function rate(info: PodInfo, nodes: readonly NodeInfo[], situation: Situation): number[] {
  const totals = nodes.map(() => 0);
  for (const score of SCORES) {
    const rated = score.rate(info, nodes, situation);
    if (rated === undefined) continue;
    for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] ?? 0) + score.weight * (rated[i] ?? 0);
  }
  return totals;
}

function best(nodes: readonly NodeInfo[], totals: readonly number[], random: () => number): NodeInfo {
  let chosen = 0;
  let equals = 1;
  for (let i = 1; i < nodes.length; i++) {
    const difference = (totals[i] ?? 0) - (totals[chosen] ?? 0);
    if (difference < 0) continue;
    equals = difference > 0 ? 1 : equals + 1;
    if (random() < 1 / equals) chosen = i;
  }
  return nodes[chosen] as NodeInfo;
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` */
export function failureMessage(nodes: number, refusals: ReadonlyMap<string, number>): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const parts = [...refusals].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
}
