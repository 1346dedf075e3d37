import { forbiddenResource } from '../authz/forbidden.ts';
import type { CausewayError } from '../lib/errors.ts';
import type { AdmissionAttributes } from './plugin.ts';

/** 403 as Kubernetes' admission answers it: `pods "web" is forbidden: <why>`. The plug-in throws what this returns. */
export function refusal(attributes: AdmissionAttributes, why: string): CausewayError {
  return forbiddenResource(attributes.group, attributes.resource, nameOf(attributes), why);
}

/** The object's name: on a create the request has none, and a generated one does not exist yet. */
export function nameOf({ name, object }: AdmissionAttributes): string {
  return name || object?.metadata?.name || object?.metadata?.generateName || 'Unknown';
}

/** `pods`, `deployments.apps`: what a plug-in compares with to see whether the request concerns it. */
export function groupResource({ group, resource }: AdmissionAttributes): string {
  return group === '' ? resource : `${resource}.${group}`;
}
