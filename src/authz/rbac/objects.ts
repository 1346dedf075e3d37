import type { KubeObject } from '../../api/object.ts';

/** The four RBAC kinds, as far as evaluation reads them. `rbac.authorization.k8s.io/v1`. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[] | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly resourceNames?: readonly string[] | undefined;
  readonly nonResourceURLs?: readonly string[] | undefined;
}

export interface Subject {
  readonly kind: string;
  readonly apiGroup?: string | undefined;
  readonly name: string;
  readonly namespace?: string | undefined;
}

export interface RoleRef {
  readonly apiGroup: string;
  readonly kind: string;
  readonly name: string;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | undefined;
  readonly matchExpressions?:
    | readonly {
        readonly key: string;
        readonly operator: string;
        readonly values?: readonly string[] | undefined;
      }[]
    | undefined;
}

export interface Role extends KubeObject {
  readonly rules?: readonly PolicyRule[] | null | undefined;
}

export interface ClusterRole extends KubeObject {
  readonly rules?: readonly PolicyRule[] | null | undefined;
  readonly aggregationRule?: { readonly clusterRoleSelectors?: readonly LabelSelector[] | undefined } | undefined;
}

export interface RoleBinding extends KubeObject {
  readonly roleRef: RoleRef;
  readonly subjects?: readonly Subject[] | null | undefined;
}

export interface ClusterRoleBinding extends KubeObject {
  readonly roleRef: RoleRef;
  readonly subjects?: readonly Subject[] | null | undefined;
}

/**
 * What RBAC reads of the cluster; the watch cache supplies it. All calls are synchronous and cheap. Objects are shared: never
 * change them. Lists are ordered by key, so that the binding named in a reason is always the same one.
 */
export interface RbacReader {
  /** Grows whenever any object of the four kinds changes: the index is built anew when it differs. */
  generation(): number;
  clusterRoles(): readonly ClusterRole[];
  clusterRoleBindings(): readonly ClusterRoleBinding[];
  roles(): readonly Role[];
  roleBindings(): readonly RoleBinding[];
}
