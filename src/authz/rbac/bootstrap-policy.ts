import type { ObjectMeta } from '../../api/object.ts';
import { aggregateRules } from './aggregate.ts';
import { clusterRoleTable, type RoleRow } from './bootstrap-cluster-roles.ts';
import { controllerRoleTable } from './bootstrap-controller-roles.ts';
import { group, namespacedRoleTable, systemAccount, user } from './bootstrap-namespaced.ts';
import {
  type BindingRow,
  causewayBindingTable,
  causewayNamespacedRoleTable,
  causewayRoleTable,
} from './causeway-policy.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject } from './objects.ts';

export interface BootstrapPolicy {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
  /** In kube-system and kube-public: create those namespaces first. */
  readonly roles: readonly Role[];
  readonly roleBindings: readonly RoleBinding[];
}

const apiGroup = 'rbac.authorization.k8s.io';
const apiVersion = `${apiGroup}/v1`;

/** Kubernetes 1.36's default bindings. `system:node` keeps its binding, without subjects: the Node authoriser does its work. */
const bindingTable: readonly BindingRow[] = [
  binding('cluster-admin', group('system:masters')),
  binding('system:monitoring', group('system:monitoring')),
  binding('system:discovery', group('system:authenticated')),
  binding('system:basic-user', group('system:authenticated')),
  binding('system:public-info-viewer', group('system:authenticated'), group('system:unauthenticated')),
  binding('system:node-proxier', user('system:kube-proxy')),
  binding('system:kube-controller-manager', user('system:kube-controller-manager')),
  binding('system:kube-dns', systemAccount('kube-dns')),
  binding('system:kube-scheduler', user('system:kube-scheduler')),
  binding('system:volume-scheduler', user('system:kube-scheduler')),
  binding('system:cluster-trust-bundle-discovery', group('system:serviceaccounts')),
  binding('system:service-account-issuer-discovery', group('system:serviceaccounts')),
  binding('system:node'),
];

/** Everything that the apiserver makes sure of at its start. Fresh objects at each call. */
export function bootstrapPolicy(): BootstrapPolicy {
  const controllers = Object.entries(controllerRoleTable);
  const rows: readonly RoleRow[] = [
    ...clusterRoleTable,
    ...controllers.map(([name, rules]) => ({ name: `system:controller:${name}`, rules })),
    ...causewayRoleTable,
  ];
  const clusterRoles = rows.map(clusterRole);
  // Shown filled from the start, as if the aggregation had already run.
  const aggregated = aggregateRules(clusterRoles);
  const bindings: readonly BindingRow[] = [
    ...bindingTable,
    ...controllers.map(([name]) => binding(`system:controller:${name}`, systemAccount(name))),
    ...causewayBindingTable,
  ];
  const namespaced = [...namespacedRoleTable, ...causewayNamespacedRoleTable];
  return structuredClone({
    clusterRoles: clusterRoles.map((role) => {
      const rules = aggregated.get(role.metadata.name ?? '');
      return rules === undefined ? role : { ...role, rules };
    }),
    clusterRoleBindings: bindings.map((row) => ({
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: metadata(row.name),
      roleRef: { apiGroup, kind: 'ClusterRole', name: row.role },
      ...subjects(row.subjects),
    })),
    roles: namespaced.map(({ namespace, name, rules }) => ({
      apiVersion,
      kind: 'Role',
      metadata: { ...metadata(name), namespace },
      rules,
    })),
    roleBindings: namespaced.flatMap(({ namespace, name, binding: row }) =>
      row === undefined ? [] : [roleBinding(namespace, row.name, name, row.subjects)],
    ),
  });
}

function roleBinding(namespace: string, name: string, role: string, who: readonly Subject[]): RoleBinding {
  const roleRef: RoleRef = { apiGroup, kind: 'Role', name: role };
  return { apiVersion, kind: 'RoleBinding', metadata: { ...metadata(name), namespace }, roleRef, ...subjects(who) };
}

function subjects(who: readonly Subject[]): { subjects?: readonly Subject[] } {
  return who.length === 0 ? {} : { subjects: who };
}

function clusterRole({ name, rules, aggregateTo, aggregates }: RoleRow): ClusterRole {
  const labels: Record<string, string> =
    aggregateTo === undefined ? {} : { [`rbac.authorization.k8s.io/aggregate-to-${aggregateTo}`]: 'true' };
  const base: { apiVersion: string; kind: string; metadata: ObjectMeta; rules: readonly PolicyRule[] } = {
    apiVersion,
    kind: 'ClusterRole',
    metadata: metadata(name, labels),
    rules,
  };
  if (aggregates === undefined) return base;
  const matchLabels = { [`rbac.authorization.k8s.io/aggregate-to-${aggregates}`]: 'true' };
  return { ...base, aggregationRule: { clusterRoleSelectors: [{ matchLabels }] } };
}

function metadata(name: string, labels: Record<string, string> = {}): ObjectMeta {
  return {
    name,
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  };
}

function binding(role: string, ...who: readonly Subject[]): BindingRow {
  return { name: role, role, subjects: who };
}
