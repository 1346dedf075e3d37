import type { ErrorCause } from '../../lib/errors.ts';
import { invalidValue, required } from '../field-error.ts';
import type { ClusterRole, PolicyRule, Role } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { validateLabelSelector } from '../label-selector-validation.ts';
import { pathSegmentRule } from '../metadata.ts';

export const roleRules: KindRules = {
  nameRule: pathSegmentRule,
  allowCreateOnUpdate: true,
  validate: (object) =>
    ((object as unknown as Role).rules ?? []).flatMap((rule, i) => validateRule(rule, true, `rules[${i}]`)),
};

export const clusterRoleRules: KindRules = {
  nameRule: pathSegmentRule,
  allowCreateOnUpdate: true,
  validate(object) {
    const { rules, aggregationRule } = object as unknown as ClusterRole;
    const causes = (rules ?? []).flatMap((rule, i) => validateRule(rule, false, `rules[${i}]`));
    if (aggregationRule === undefined) return causes;
    const path = 'aggregationRule.clusterRoleSelectors';
    const selectors = aggregationRule.clusterRoleSelectors ?? [];
    if (selectors.length === 0) {
      causes.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'));
    }
    for (const [i, selector] of selectors.entries()) causes.push(...validateLabelSelector(selector, `${path}[${i}]`));
    return causes;
  },
};

/** One rule: resources or paths, never both, and paths never in a namespace. */
export function validateRule(rule: PolicyRule, namespaced: boolean, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const urls = rule.nonResourceURLs ?? [];
  if ((rule.verbs ?? []).length === 0) causes.push(required(`${path}.verbs`, 'verbs must contain at least one value'));
  if (urls.length > 0) {
    const field = `${path}.nonResourceURLs`;
    if (namespaced) causes.push(invalidValue(field, urls, 'namespaced rules cannot apply to non-resource URLs'));
    const others = [rule.apiGroups, rule.resources, rule.resourceNames].some((list) => (list ?? []).length > 0);
    if (others) {
      causes.push(invalidValue(field, urls, 'rules cannot apply to both regular resources and non-resource URLs'));
    }
    return causes;
  }
  if ((rule.apiGroups ?? []).length === 0) {
    causes.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  }
  if ((rule.resources ?? []).length === 0) {
    causes.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
  }
  return causes;
}
