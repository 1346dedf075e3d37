import type { UserInfo } from '../api/user-info.ts';

/** What is asked: `authorization.k8s.io/v1 SubjectAccessReviewSpec`, flattened. */
export interface Attributes {
  readonly user: UserInfo;
  /** `get`, `list`, `watch`, `create`, …; the lower-case HTTP method for non-resource requests. */
  readonly verb: string;
  readonly resourceRequest: boolean;
  readonly namespace: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** Non-resource requests only. */
  readonly path: string;
  /**
   * The requirements of the request's field selector (list, watch, deletecollection), all of which must hold; absent when there is none
   * or when it could not be parsed. An authoriser may only use them to allow less: the Node authoriser lets a node list the pods of
   * `spec.nodeName=<itself>` and no others. `fieldSelector=metadata.name=x` also sets `name`.
   */
  readonly fieldSelector?: readonly SelectorRequirement[];
}

/** `spec.nodeName=a` is `{ key: 'spec.nodeName', operator: '=', value: 'a' }`. */
export interface SelectorRequirement {
  readonly key: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

export interface Decision {
  readonly verdict: 'allow' | 'deny' | 'no-opinion';
  /** For example `RBAC: allowed by ClusterRoleBinding "cluster-admin" of ClusterRole "cluster-admin" to Group "system:masters"`. */
  readonly reason: string;
}

export interface Authorizer {
  readonly name: string;
  authorize(attributes: Attributes): Promise<Decision>;
}

/** The rules that hold for a user in a namespace: what `SelfSubjectRulesReview` answers. */
export interface RuleResolver {
  rulesFor(
    user: UserInfo,
    namespace: string,
  ): Promise<{
    readonly resourceRules: readonly ResourceRule[];
    readonly nonResourceRules: readonly NonResourceRule[];
    readonly incomplete: boolean;
    readonly evaluationError?: string;
  }>;
}

export interface ResourceRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
}

export interface NonResourceRule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs: readonly string[];
}
