import type { Attributes } from '../authorizer.ts';
import type { PolicyRule } from './objects.ts';

/** Whether this rule, held in the right scope, allows the request. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!matches(rule.verbs, attributes.verb)) return false;
  if (!attributes.resourceRequest) {
    return (rule.nonResourceURLs ?? []).some((url) => urlCovers(url, attributes.path));
  }
  return (
    matches(rule.apiGroups ?? [], attributes.apiGroup) &&
    resourceMatches(rule.resources ?? [], attributes.resource, attributes.subresource) &&
    nameMatches(rule.resourceNames ?? [], attributes.name)
  );
}

function matches(allowed: readonly string[], asked: string): boolean {
  return allowed.includes('*') || allowed.includes(asked);
}

// `pods`, `pods/log`, `*`, and `*/scale` for one subresource of everything. `pods` never means `pods/log`.
function resourceMatches(allowed: readonly string[], resource: string, subresource: string): boolean {
  if (allowed.includes('*')) return true;
  if (subresource === '') return allowed.includes(resource);
  return allowed.includes(`${resource}/${subresource}`) || allowed.includes(`*/${subresource}`);
}

/** No names in the rule means every name; with names, a request without one (list, create) is not matched. */
function nameMatches(allowed: readonly string[], name: string): boolean {
  return allowed.length === 0 || allowed.includes(name);
}

/** Whether the URL of a rule (`/healthz`, `/apis/*`, `*`) covers a path, or another rule's URL. */
export function urlCovers(ruleUrl: string, path: string): boolean {
  if (ruleUrl === '*' || ruleUrl === path) return true;
  return ruleUrl.endsWith('*') && path.startsWith(ruleUrl.replace(/\*+$/, ''));
}
