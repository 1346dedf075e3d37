import type { PodSpec, PodTemplateSpec } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import type { PodLike } from './check.ts';

/** Where the template of a pod is, by `resource` or `resource.group`. */
const templates: Readonly<Record<string, readonly string[]>> = {
  podtemplates: ['template'],
  replicationcontrollers: ['spec', 'template'],
  'replicasets.apps': ['spec', 'template'],
  'deployments.apps': ['spec', 'template'],
  'statefulsets.apps': ['spec', 'template'],
  'daemonsets.apps': ['spec', 'template'],
  'jobs.batch': ['spec', 'template'],
  'cronjobs.batch': ['spec', 'jobTemplate', 'spec', 'template'],
};

/** Whether objects of this resource may hold a pod template. */
export function hasTemplate(resource: string): boolean {
  return Object.hasOwn(templates, resource);
}

/** The pod that a workload makes; undefined when it has no template. */
export function templateOf(resource: string, object: KubeObject): PodLike | undefined {
  let at: unknown = object;
  for (const field of templates[resource] ?? []) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[field];
  }
  const template = at as PodTemplateSpec | null | undefined;
  if (template?.spec === undefined || template.spec === null) return undefined;
  return { annotations: template.metadata?.annotations ?? {}, spec: template.spec };
}

export function podLike(pod: KubeObject): PodLike {
  return { annotations: pod.metadata.annotations ?? {}, spec: pod['spec'] as PodSpec };
}
