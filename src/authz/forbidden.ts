import { CausewayError, qualifiedResource } from '../lib/errors.ts';
import type { Attributes } from './authorizer.ts';

/** The sentence without the leading `pods is forbidden: `, as `kubectl auth can-i` and audit lines use it. */
export function forbiddenMessage(attributes: Attributes): string {
  const user = `User ${JSON.stringify(attributes.user.username)}`;
  if (!attributes.resourceRequest) {
    return `${user} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}`;
  }
  const resource =
    attributes.subresource === '' ? attributes.resource : `${attributes.resource}/${attributes.subresource}`;
  const where =
    attributes.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(attributes.namespace)}`;
  return `${user} cannot ${attributes.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(attributes.apiGroup)} ${where}`;
}

/** 403 with Kubernetes' sentence: `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`. */
export function forbidden(attributes: Attributes, reason: string): CausewayError {
  const sentence = reason === '' ? forbiddenMessage(attributes) : `${forbiddenMessage(attributes)}: ${reason}`;
  if (!attributes.resourceRequest) {
    return new CausewayError('Forbidden', `forbidden: ${sentence}`, { details: {} });
  }
  return forbiddenResource(attributes.apiGroup, attributes.resource, attributes.name, sentence);
}

/** `pods "x" is forbidden: why`, `pods is forbidden: why` without a name: `apierrors.NewForbidden`. */
export function forbiddenResource(group: string, resource: string, name: string, why: string): CausewayError {
  const qualified = qualifiedResource(group, resource);
  const what = name === '' ? qualified : `${qualified} ${JSON.stringify(name)}`;
  return new CausewayError('Forbidden', `${what} is forbidden: ${why}`, {
    details: { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource },
  });
}
