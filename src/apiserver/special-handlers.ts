import type { Verb } from '../api/scheme.ts';
import { communicationPathHandlers } from './communication-paths.ts';
import { componentStatusHandlers } from './component-statuses.ts';
import type { ApiserverDependencies } from './dependencies.ts';
import type { Endpoint, HandlerContext } from './handlers/endpoint.ts';
import type { KubeletClient } from './kubelet-client.ts';
import { metricsHandlers } from './resource-usage/metrics-handlers.ts';
import {
  type ReviewDependencies,
  selfSubjectAccessReview,
  selfSubjectRulesReview,
  subjectAccessReview,
} from './reviews/access-reviews.ts';
import { selfSubjectReview, tokenReview } from './reviews/authentication-reviews.ts';
import type { ResourceHandler, SpecialHandlers } from './router.ts';
import { bindingHandler } from './subresources/binding.ts';
import { evictionHandler } from './subresources/eviction.ts';
import { finalizeHandler } from './subresources/finalize.ts';
import { logHandler } from './subresources/log.ts';
import { notServedYet } from './subresources/refused.ts';
import { scaleHandlers } from './subresources/scale.ts';
import { streamHandler, streamKinds } from './subresources/stream-handlers.ts';
import { tokenHandler } from './subresources/token.ts';

const refusedVerbs = {
  get: notServedYet,
  create: notServedYet,
  update: notServedYet,
  patch: notServedYet,
  delete: notServedYet,
};

/** Every resource and subresource that is not answered by the generic handlers. */
export function specialHandlers(
  dependencies: Pick<
    ApiserverDependencies,
    'authorizer' | 'rules' | 'tokenReviewer' | 'serviceAccounts' | 'paths' | 'store'
  >,
  context: HandlerContext,
  kubelets: KubeletClient,
  pods: () => Endpoint,
): SpecialHandlers {
  const reviews: ReviewDependencies = { ...dependencies, context };
  const scale = scaleHandlers(context);
  const binding = bindingHandler(context, pods);
  const metrics = metricsHandlers(context, kubelets);
  const paths = communicationPathHandlers(context, dependencies.paths);
  return new Map<string, Partial<Record<Verb, ResourceHandler>>>([
    ['authentication.k8s.io/tokenreviews', { create: tokenReview(context, dependencies.tokenReviewer) }],
    ['authentication.k8s.io/selfsubjectreviews', { create: selfSubjectReview(context) }],
    ['authorization.k8s.io/subjectaccessreviews', { create: subjectAccessReview(reviews) }],
    ['authorization.k8s.io/localsubjectaccessreviews', { create: subjectAccessReview(reviews) }],
    ['authorization.k8s.io/selfsubjectaccessreviews', { create: selfSubjectAccessReview(reviews) }],
    ['authorization.k8s.io/selfsubjectrulesreviews', { create: selfSubjectRulesReview(reviews) }],
    ['metrics.k8s.io/nodes', metrics.nodes],
    ['metrics.k8s.io/pods', metrics.pods],
    ['paths.causeway.dev/communicationpaths', paths],
    ['/componentstatuses', componentStatusHandlers(context, dependencies.paths, dependencies.store)],
    ['/serviceaccounts/token', { create: tokenHandler({ context, issuer: dependencies.serviceAccounts.tokens }) }],
    ['/pods/binding', { create: binding }],
    ['/bindings', { create: binding }],
    ['/pods/log', { get: logHandler(context, kubelets) }],
    ['/pods/exec', { create: streamHandler({ context, kubelets }, streamKinds.exec) }],
    ['/pods/attach', { create: streamHandler({ context, kubelets }, streamKinds.attach) }],
    ['/pods/portforward', { create: streamHandler({ context, kubelets }, streamKinds.portforward) }],
    ['/pods/eviction', { create: evictionHandler(context) }],
    ['/namespaces/finalize', { update: finalizeHandler(context) }],
    ['apps/deployments/scale', scale],
    ['apps/replicasets/scale', scale],
    ['apps/statefulsets/scale', scale],
    ['/replicationcontrollers/scale', scale],
    ['/nodes/proxy', refusedVerbs],
    ['/pods/proxy', refusedVerbs],
    ['/services/proxy', refusedVerbs],
    ['/pods/resize', refusedVerbs],
    ['/pods/ephemeralcontainers', refusedVerbs],
  ]);
}
