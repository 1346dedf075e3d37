import { selectorMatches } from './label-selector.ts';
import type { ClusterRole, PolicyRule } from './objects.ts';

/**
 * The rules of each ClusterRole that has an `aggregationRule`, by name: what its `rules` should hold. Roles that aggregate others
 * that aggregate are followed to the end, so `admin` has the rules of `edit` and of `view` at once; a cycle adds nothing.
 * Order: the selectors' order, then the roles' names, as Kubernetes' controller writes them.
 */
export function aggregateRules(clusterRoles: readonly ClusterRole[]): Map<string, readonly PolicyRule[]> {
  const byName = [...clusterRoles].sort((a, b) => compare(nameOf(a), nameOf(b)));
  const result = new Map<string, readonly PolicyRule[]>();
  for (const role of byName) {
    if (role.aggregationRule !== undefined) result.set(nameOf(role), collect(role, byName));
  }
  return result;
}

function collect(root: ClusterRole, byName: readonly ClusterRole[]): readonly PolicyRule[] {
  const rules = new Map<string, PolicyRule>();
  const seen = new Set<ClusterRole>();
  const visit = (role: ClusterRole): void => {
    if (seen.has(role)) return;
    seen.add(role);
    if (role.aggregationRule === undefined) {
      for (const rule of role.rules ?? []) rules.set(ruleKey(rule), rules.get(ruleKey(rule)) ?? rule);
      return;
    }
    for (const selector of role.aggregationRule.clusterRoleSelectors ?? []) {
      for (const other of byName) {
        if (other !== role && selectorMatches(selector, other.metadata.labels ?? {})) visit(other);
      }
    }
  };
  visit(root);
  return [...rules.values()];
}

/** Two rules with the same key are equal field by field. */
export function ruleKey(rule: PolicyRule): string {
  return JSON.stringify([
    rule.verbs,
    rule.apiGroups ?? [],
    rule.resources ?? [],
    rule.resourceNames ?? [],
    rule.nonResourceURLs ?? [],
  ]);
}

function nameOf(role: ClusterRole): string {
  return role.metadata.name ?? '';
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
