import { goQuote } from '../api/field-error.ts';
import { CausewayError, qualifiedResource } from '../lib/errors.ts';
import type { Attributes } from './authorizer.ts';

/** The sentence without the leading `pods is forbidden: `, as `kubectl auth can-i` and audit lines use it. */
export function forbiddenMessage(attributes: Attributes): string {
  const { resourceRequest, verb, path, resource, subresource, apiGroup, namespace } = attributes;
  const user = `User ${goQuote(attributes.user.username)}`;
  if (!resourceRequest) return sanitized(`${user} cannot ${verb} path ${goQuote(path)}`);
  const what = goQuote(subresource === '' ? resource : `${resource}/${subresource}`);
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${goQuote(namespace)}`;
  return sanitized(`${user} cannot ${verb} resource ${what} in API group ${goQuote(apiGroup)} ${where}`);
}

/** Nothing that a caller chose may look like HTML to whoever shows the sentence. */
function sanitized(sentence: string): string {
  return sentence.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
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
  const what = name === '' ? qualified : `${qualified} ${goQuote(name)}`;
  return new CausewayError('Forbidden', `${what} is forbidden: ${why}`, {
    details: { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource },
  });
}
