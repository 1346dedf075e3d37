import type { DescribedDefinition } from '../../src/api/schema/definition.ts';
import { stableGroupVersions } from './definitions.ts';

/** Definitions whose short name is a global of TypeScript that the generated file itself needs. */
const reserved: Readonly<Record<string, string>> = { JSON: 'JSONValue' };

/**
 * The TypeScript name of each definition. The rule: the first group-version in the order of `stableGroupVersions` that has a kind
 * owns the short name (`Event` is core's, `HorizontalPodAutoscaler` is autoscaling/v2's), every other one is prefixed by its
 * group and version (`EventsV1Event`, `AutoscalingV1HorizontalPodAutoscaler`).
 */
export function typeNames(definitions: readonly DescribedDefinition[]): Map<string, string> {
  const order = new Map(stableGroupVersions.map(([group, version], index) => [groupVersionKey(group, version), index]));
  const rank = (name: string): number => order.get(name.split('.').slice(-3, -1).join('.')) ?? order.size;
  const taken = new Set<string>();
  const names = new Map<string, string>();
  for (const { name } of [...definitions].sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1))) {
    const [group, version, kind] = name.split('.').slice(-3) as [string, string, string];
    const short = reserved[kind] ?? kind;
    const chosen = taken.has(short) ? `${upperFirst(group)}${upperFirst(version)}${kind}` : short;
    taken.add(chosen);
    names.set(name, chosen);
  }
  return names;
}

function groupVersionKey(group: string, version: string): string {
  return `${group === '' ? 'core' : group.split('.')[0]}.${version}`;
}

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
