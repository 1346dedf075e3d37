import type { KubeObject } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';
import type { Attributes, Authorizer, RuleResolver } from '../../authz/authorizer.ts';
import { CausewayError, type ErrorCause, invalid } from '../../lib/errors.ts';
import type { Machinery } from '../machinery.ts';
import type { ApiRequest } from '../request.ts';
import type { ResourceHandler } from '../router.ts';
import { respondReview } from './respond-review.ts';

interface ResourceAttributes {
  namespace?: string;
  verb?: string;
  group?: string;
  version?: string;
  resource?: string;
  subresource?: string;
  name?: string;
}

interface ReviewSpec {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: { path?: string; verb?: string };
  user?: string;
  groups?: string[];
  uid?: string;
  extra?: Record<string, string[]>;
  namespace?: string;
}

export interface ReviewDependencies {
  readonly machinery: Machinery;
  readonly authorizer: Authorizer;
  readonly rules: RuleResolver;
}

function specOf(object: KubeObject): ReviewSpec {
  return (object['spec'] ?? {}) as ReviewSpec;
}

function wrong(field: string, message: string): ErrorCause {
  return { reason: 'FieldValueInvalid', message, field };
}

function checkSpec(spec: ReviewSpec, kind: string, causes: ErrorCause[]): void {
  if (spec.resourceAttributes !== undefined && spec.nonResourceAttributes !== undefined) {
    causes.push(
      wrong(
        'spec.nonResourceAttributes',
        `Invalid value: ${JSON.stringify(spec.nonResourceAttributes)}: cannot be specified in combination with resourceAttributes`,
      ),
    );
  }
  if (spec.resourceAttributes === undefined && spec.nonResourceAttributes === undefined) {
    causes.push(
      wrong(
        'spec.resourceAttributes',
        'Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    );
  }
  if (kind !== 'SelfSubjectAccessReview' && (spec.user ?? '') === '' && (spec.groups ?? []).length === 0) {
    causes.push(wrong('spec.user', 'Invalid value: "": at least one of user or group must be specified'));
  }
}

function checkLocal(spec: ReviewSpec, namespace: string, causes: ErrorCause[]): void {
  if (spec.nonResourceAttributes !== undefined) {
    causes.push(
      wrong(
        'spec.nonResourceAttributes',
        `Invalid value: ${JSON.stringify(spec.nonResourceAttributes)}: disallowed on this kind of request`,
      ),
    );
  }
  if (spec.resourceAttributes !== undefined && spec.resourceAttributes.namespace !== namespace) {
    causes.push(
      wrong(
        'spec.resourceAttributes.namespace',
        `Invalid value: ${JSON.stringify(spec.resourceAttributes.namespace ?? '')}: must match metadata.namespace`,
      ),
    );
  }
}

/** What a review asks, as the authoriser is asked it. */
export function reviewedAttributes(spec: ReviewSpec, user: UserInfo): Attributes {
  const resource = spec.resourceAttributes;
  if (resource !== undefined) {
    return {
      user,
      resourceRequest: true,
      verb: resource.verb ?? '',
      namespace: resource.namespace ?? '',
      apiGroup: resource.group ?? '',
      // An empty version means "any", as in Kubernetes.
      apiVersion: resource.version === undefined || resource.version === '' ? '*' : resource.version,
      resource: resource.resource ?? '',
      subresource: resource.subresource ?? '',
      name: resource.name ?? '',
      path: '',
    };
  }
  return {
    user,
    resourceRequest: false,
    verb: spec.nonResourceAttributes?.verb ?? '',
    namespace: '',
    apiGroup: '',
    apiVersion: '',
    resource: '',
    subresource: '',
    name: '',
    path: spec.nonResourceAttributes?.path ?? '',
  };
}

async function decide(dependencies: ReviewDependencies, attributes: Attributes): Promise<Record<string, unknown>> {
  const decision = await dependencies.authorizer.authorize(attributes);
  return {
    allowed: decision.verdict === 'allow',
    ...(decision.verdict === 'deny' ? { denied: true } : {}),
    ...(decision.reason === '' ? {} : { reason: decision.reason }),
  };
}

function answer(
  dependencies: ReviewDependencies,
  review: (object: KubeObject, request: ApiRequest) => Promise<Record<string, unknown>>,
): ResourceHandler {
  return (request, endpoint) =>
    respondReview(dependencies.machinery, request, endpoint.resource, (object) => review(object, request));
}

/** SubjectAccessReview and LocalSubjectAccessReview: may somebody else do something? */
export function subjectAccessReview(dependencies: ReviewDependencies): ResourceHandler {
  return answer(dependencies, async (object, request) => {
    const spec = specOf(object);
    const kind = object.kind as string;
    const causes: ErrorCause[] = [];
    checkSpec(spec, kind, causes);
    if (kind === 'LocalSubjectAccessReview') checkLocal(spec, request.info.namespace, causes);
    if (causes.length > 0) throw invalid('authorization.k8s.io', kind, '', causes);
    const user: UserInfo = {
      username: spec.user ?? '',
      groups: spec.groups ?? [],
      ...(spec.uid === undefined || spec.uid === '' ? {} : { uid: spec.uid }),
      ...(spec.extra === undefined ? {} : { extra: spec.extra }),
    };
    return decide(dependencies, reviewedAttributes(spec, user));
  });
}

/** SelfSubjectAccessReview: may I do something? (`kubectl auth can-i`) */
export function selfSubjectAccessReview(dependencies: ReviewDependencies): ResourceHandler {
  return answer(dependencies, async (object, request) => {
    const spec = specOf(object);
    const causes: ErrorCause[] = [];
    checkSpec(spec, 'SelfSubjectAccessReview', causes);
    if (causes.length > 0) throw invalid('authorization.k8s.io', 'SelfSubjectAccessReview', '', causes);
    return decide(dependencies, reviewedAttributes(spec, request.caller));
  });
}

/** SelfSubjectRulesReview: what may I do in a namespace? (`kubectl auth can-i --list`) */
export function selfSubjectRulesReview(dependencies: ReviewDependencies): ResourceHandler {
  return answer(dependencies, async (object, request) => {
    const namespace = specOf(object).namespace ?? '';
    if (namespace === '') throw new CausewayError('BadRequest', 'no namespace on request');
    const rules = await dependencies.rules.rulesFor(request.caller, namespace);
    return {
      resourceRules: rules.resourceRules,
      nonResourceRules: rules.nonResourceRules,
      incomplete: rules.incomplete,
      ...(rules.evaluationError === undefined ? {} : { evaluationError: rules.evaluationError }),
    };
  });
}
