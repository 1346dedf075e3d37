import type { RoleRow } from './bootstrap-cluster-roles.ts';
import { user } from './bootstrap-namespaced.ts';
import type { Subject } from './objects.ts';
import { read, rule } from './rule-table.ts';

const clusterRoleAggregation = 'system:causeway:clusterrole-aggregation';

/** What Causeway adds to Kubernetes' bootstrap roles; its own names start with `system:causeway:`. */
export const causewayRoleTable: readonly RoleRow[] = [
  {
    name: 'system:causeway:aggregate-paths-to-view',
    aggregateTo: 'view',
    rules: [rule(read, 'paths.causeway.dev', 'communicationpaths')],
  },
  // Named as metrics-server names it; who may view may see what is used, and so may who edits or administers.
  {
    name: 'system:aggregated-metrics-reader',
    aggregateTo: 'view',
    rules: [rule(read, 'metrics.k8s.io', 'nodes,pods')],
  },
  // Admission lets anybody store in an aggregating role what it holds anyway: no `escalate`.
  { name: clusterRoleAggregation, rules: [rule('get,list,patch,watch', 'rbac.authorization.k8s.io', 'clusterroles')] },
];

/** Who the apiserver is towards kubelets: the name in its client certificate from the kubelet-client CA. */
export const apiserverUser = 'system:kube-apiserver';

/**
 * The controllers that the controller manager runs under its own identity. Kubernetes gives each controller a service account of its own,
 * or says to bind their roles to the manager's user: this does the latter, for these and no more. The aggregation of cluster roles is
 * not among them, because its right to escalate would make the manager a cluster admin: it has a role without it.
 */
export const managedControllers: readonly string[] = [
  'deployment-controller',
  'endpoint-controller',
  'endpointslice-controller',
  'generic-garbage-collector',
  'namespace-controller',
  'node-controller',
  'pod-garbage-collector',
  'replicaset-controller',
  'root-ca-cert-publisher',
  'service-account-controller',
];

export interface BindingRow {
  readonly name: string;
  readonly role: string;
  readonly subjects: readonly Subject[];
}

export const causewayBindingTable: readonly BindingRow[] = [
  {
    name: 'system:causeway:kubelet-api-admin',
    role: 'system:kubelet-api-admin',
    subjects: [user(apiserverUser)],
  },
  {
    name: clusterRoleAggregation,
    role: clusterRoleAggregation,
    subjects: [user('system:kube-controller-manager')],
  },
  ...managedControllers.map((name) => ({
    name: `system:causeway:controller:${name}`,
    role: `system:controller:${name}`,
    subjects: [user('system:kube-controller-manager')],
  })),
];
