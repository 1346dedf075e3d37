import type { KubeObject } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';
import type { Attributes, Authorizer, RuleResolver, SelectorRequirement } from '../../authz/authorizer.ts';
import { parseFieldSelector } from '../../authz/field-selector.ts';
import type { HandlerContext } from '../handlers/endpoint.ts';
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
  fieldSelector?: FieldSelector;
}

interface FieldSelector {
  rawSelector?: string;
  requirements?: { key: string; operator: string; values?: string[] }[];
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
  readonly context: HandlerContext;
  readonly authorizer: Authorizer;
  readonly rules: RuleResolver;
}

function specOf(object: KubeObject): ReviewSpec {
  return (object['spec'] ?? {}) as ReviewSpec;
}

/** What a review asks, as the authoriser is asked it. */
export function reviewedAttributes(spec: ReviewSpec, user: UserInfo): Attributes {
  const resource = spec.resourceAttributes;
  if (resource !== undefined) {
    const fieldSelector = requirementsOf(resource.fieldSelector);
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
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
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

/** What is not understood restricts nothing, and so allows nothing either. */
function requirementsOf(selector: FieldSelector | undefined): readonly SelectorRequirement[] | undefined {
  if (selector === undefined) return undefined;
  if ((selector.rawSelector ?? '') !== '') return parseFieldSelector(selector.rawSelector);
  const understood = (selector.requirements ?? []).flatMap(({ key, operator, values = [] }): SelectorRequirement[] => {
    const [value, ...more] = values;
    if (value === undefined || more.length > 0 || (operator !== 'In' && operator !== 'NotIn')) return [];
    return [{ key, operator: operator === 'In' ? '=' : '!=', value }];
  });
  return understood.length === 0 ? undefined : understood;
}

async function decide(dependencies: ReviewDependencies, attributes: Attributes): Promise<Record<string, unknown>> {
  const decision = await dependencies.authorizer.authorize(attributes);
  return {
    allowed: decision.verdict === 'allow',
    ...(decision.verdict === 'deny' ? { denied: true } : {}),
    ...(decision.reason === '' ? {} : { reason: decision.reason }),
  };
}

/** SubjectAccessReview and LocalSubjectAccessReview: may somebody else do something? */
export function subjectAccessReview(dependencies: ReviewDependencies): ResourceHandler {
  return (request, endpoint) =>
    respondReview(dependencies.context, endpoint, request, async (object) => {
      const spec = specOf(object);
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
  return (request, endpoint) =>
    respondReview(dependencies.context, endpoint, request, (object) =>
      decide(dependencies, reviewedAttributes(specOf(object), request.caller)),
    );
}

/** SelfSubjectRulesReview: what may I do in a namespace? (`kubectl auth can-i --list`) */
export function selfSubjectRulesReview(dependencies: ReviewDependencies): ResourceHandler {
  return (request, endpoint) =>
    respondReview(dependencies.context, endpoint, request, async (object) => {
      const rules = await dependencies.rules.rulesFor(request.caller, specOf(object).namespace ?? '');
      return {
        resourceRules: rules.resourceRules,
        nonResourceRules: rules.nonResourceRules,
        incomplete: rules.incomplete,
        ...(rules.evaluationError === undefined ? {} : { evaluationError: rules.evaluationError }),
      };
    });
}
