import type { PolicyRule } from './objects.ts';

/** Shorthand for the tables of bootstrap roles: comma-separated lists; the empty group is the core group. Sorted as Kubernetes stores them. */
export function rule(verbs: string, apiGroups: string, resources: string, resourceNames = ''): PolicyRule {
  const names = resourceNames === '' ? {} : { resourceNames: list(resourceNames) };
  return { apiGroups: list(apiGroups), ...names, resources: list(resources), verbs: list(verbs) };
}

export function urls(verbs: string, nonResourceURLs: string): PolicyRule {
  return { nonResourceURLs: list(nonResourceURLs), verbs: list(verbs) };
}

export const read = 'get,list,watch';
export const write = 'create,delete,deletecollection,patch,update';
export const readWrite = `${read},${write}`;

/** Every component may write events, in both groups that serve them. */
export const eventsRule: PolicyRule = rule('create,patch,update', ',events.k8s.io', 'events');

function list(text: string): string[] {
  return text.split(',').sort();
}
