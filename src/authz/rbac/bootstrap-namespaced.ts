import type { PolicyRule, Subject } from './objects.ts';
import { eventsRule, read, rule } from './rule-table.ts';

export interface NamespacedRoleRow {
  readonly namespace: 'kube-system' | 'kube-public';
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly binding?: { readonly name: string; readonly subjects: readonly Subject[] };
}

export const user = (name: string): Subject => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
export const group = (name: string): Subject => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name });
export const systemAccount = (name: string): Subject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' });

const leaderLocking = (component: string, subjects: readonly Subject[]): NamespacedRoleRow => ({
  namespace: 'kube-system',
  name: `system::leader-locking-${component}`,
  rules: [
    rule('create,get,list,update,watch', 'coordination.k8s.io', 'leases'),
    rule('create,get,list,update,watch', 'coordination.k8s.io', 'leasecandidates'),
  ],
  binding: { name: `system::leader-locking-${component}`, subjects },
});

const controller = (
  namespace: NamespacedRoleRow['namespace'],
  name: string,
  rules: readonly PolicyRule[],
  ...alsoFor: readonly Subject[]
): NamespacedRoleRow => ({
  namespace,
  name: `system:controller:${name}`,
  rules,
  binding: { name: `system:controller:${name}`, subjects: [systemAccount(name), ...alsoFor] },
});

/** Runs the controllers under its own identity here. */
const manager = user('system:kube-controller-manager');

/** The Roles of Kubernetes 1.36 in its own namespaces, each with its RoleBinding, and ours. */
export const namespacedRoleTable: readonly NamespacedRoleRow[] = [
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    rules: [rule(read, '', 'configmaps', 'extension-apiserver-authentication')],
    binding: {
      name: 'system::extension-apiserver-authentication-reader',
      subjects: [manager, user('system:kube-scheduler')],
    },
  },
  controller('kube-system', 'bootstrap-signer', [rule(read, '', 'secrets')]),
  controller('kube-system', 'cloud-provider', [rule('create,get,list,watch', '', 'configmaps')]),
  controller('kube-system', 'token-cleaner', [rule('delete,get,list,watch', '', 'secrets'), eventsRule], manager),
  {
    namespace: 'kube-system',
    name: 'system:causeway:bootstrap-token-claim',
    rules: [rule('get,update', '', 'secrets')],
    binding: { name: 'system:causeway:bootstrap-token-claim', subjects: [manager] },
  },
  leaderLocking('kube-controller-manager', [manager, systemAccount('kube-controller-manager')]),
  leaderLocking('kube-scheduler', [user('system:kube-scheduler'), systemAccount('kube-scheduler')]),
  controller('kube-public', 'bootstrap-signer', [
    rule(read, '', 'configmaps'),
    rule('update', '', 'configmaps', 'cluster-info'),
    eventsRule,
  ]),
];
