import { CausewayError } from '../../lib/errors.ts';
import { ruleKey } from './aggregate.ts';
import { MAX_EXPANDED_RULES } from './limits.ts';
import type { PolicyRule } from './objects.ts';
import { urlCovers } from './rule-match.ts';

/**
 * The parts of `wanted` that `held` does not cover, each with one verb and one resource or URL: empty when everything is covered.
 * Throws Forbidden when the wanted rules expand to more than `MAX_EXPANDED_RULES` parts.
 */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const missing = new Map<string, PolicyRule>();
  let parts = 0;
  for (const rule of wanted) {
    // Most rules are held as a whole: no need to take them apart. A rule that names neither resources nor URLs grants nothing.
    if (held.some((own) => covers(own, rule))) continue;
    parts += expandedSize(rule);
    if (parts > MAX_EXPANDED_RULES) {
      throw new CausewayError(
        'Forbidden',
        `the rules expand to more than ${MAX_EXPANDED_RULES} combinations, which is more than can be checked against what you hold`,
      );
    }
    for (const part of expand(rule)) {
      if (!held.some((own) => covers(own, part))) missing.set(ruleKey(part), part);
    }
  }
  return [...missing.values()];
}

function expandedSize(rule: PolicyRule): number {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  return (
    verbs.length * apiGroups.length * resources.length * Math.max(1, resourceNames.length) +
    verbs.length * nonResourceURLs.length
  );
}

function* expand(rule: PolicyRule): Generator<PolicyRule> {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  for (const apiGroup of apiGroups) {
    for (const resource of resources) {
      for (const verb of verbs) {
        const part = { verbs: [verb], apiGroups: [apiGroup], resources: [resource] };
        if (resourceNames.length === 0) yield part;
        for (const name of resourceNames) yield { ...part, resourceNames: [name] };
      }
    }
  }
  for (const url of nonResourceURLs) for (const verb of verbs) yield { verbs: [verb], nonResourceURLs: [url] };
}

/** Whether everything that `wanted` allows is allowed by `own` alone. */
function covers(own: PolicyRule, wanted: PolicyRule): boolean {
  return (
    hasAll(own.verbs, wanted.verbs) &&
    hasAll(own.apiGroups ?? [], wanted.apiGroups ?? []) &&
    (wanted.resources ?? []).every((resource) => resourceCovered(own.resources ?? [], resource)) &&
    (wanted.nonResourceURLs ?? []).every((url) => (own.nonResourceURLs ?? []).some((held) => urlCovers(held, url))) &&
    namesCovered(own.resourceNames ?? [], wanted.resourceNames ?? [])
  );
}

function hasAll(own: readonly string[], wanted: readonly string[]): boolean {
  return own.includes('*') || wanted.every((one) => own.includes(one));
}

function resourceCovered(own: readonly string[], wanted: string): boolean {
  if (own.includes('*') || own.includes(wanted)) return true;
  const slash = wanted.indexOf('/');
  return slash >= 0 && own.includes(`*${wanted.slice(slash)}`);
}

/** No names means every name: only a rule without names covers it. */
function namesCovered(own: readonly string[], wanted: readonly string[]): boolean {
  if (own.length === 0) return true;
  return wanted.length > 0 && wanted.every((name) => own.includes(name));
}
