import {
  KUBELET_CLIENT_SIGNER,
  KUBELET_SERVING_SIGNER,
  POD_SERVING_SIGNER,
  SERVED_SIGNERS,
} from '../../api/certificates/signers.ts';
import type { RoleRow } from './bootstrap-cluster-roles.ts';
import { group, type NamespacedRoleRow, user } from './bootstrap-namespaced.ts';
import type { Subject } from './objects.ts';
import { read, rule } from './rule-table.ts';

const certificateController = 'system:causeway:certificate-controller';
const certificates = 'certificates.k8s.io';
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
  // Kubernetes' own role cannot approve serving certificates, and may sign by a signer that nobody serves here.
  {
    name: certificateController,
    rules: [
      rule('delete,get,list,watch', certificates, 'certificatesigningrequests'),
      rule('update', certificates, 'certificatesigningrequests/approval,certificatesigningrequests/status'),
      rule('approve', certificates, 'signers', `${KUBELET_CLIENT_SIGNER},${KUBELET_SERVING_SIGNER}`),
      rule('sign', certificates, 'signers', [...SERVED_SIGNERS, POD_SERVING_SIGNER].join(',')),
      rule('delete,get,list,watch', certificates, 'podcertificaterequests'),
      rule('update', certificates, 'podcertificaterequests/status'),
      // Whom pods trust that verify what the signer has given to others.
      rule('create,get,list,update,watch', certificates, 'clustertrustbundles'),
      rule('attest', certificates, 'signers', POD_SERVING_SIGNER),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      // A node that joins gets its Node here.
      rule('create,get', '', 'nodes'),
      // A pod's certificate has the names of the services that select it.
      rule('get', '', 'pods'),
    ],
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
  'disruption-controller',
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

const trust = 'system:causeway:cluster-trust';

/** The cluster's trust, which every node follows. */
export const causewayNamespacedRoleTable: readonly NamespacedRoleRow[] = [
  {
    namespace: 'kube-public',
    name: trust,
    rules: [rule(read, '', 'configmaps', 'causeway-trust')],
    binding: { name: trust, subjects: [group('system:nodes')] },
  },
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
  ...nodeCertificateBindings(),
  {
    name: certificateController,
    role: certificateController,
    subjects: [user('system:kube-controller-manager')],
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

/**
 * Who joins with a bootstrap token may ask for a node's client certificate, and a node for its own certificates; the approver asks for
 * these rights. What kubeadm binds in every cluster. Without one of them a person approves instead.
 */
function nodeCertificateBindings(): BindingRow[] {
  const prefix = 'system:certificates.k8s.io:certificatesigningrequests:';
  const bootstrappers = [group('system:bootstrappers')];
  const nodes = [group('system:nodes')];
  return [
    { name: 'system:causeway:node-bootstrapper', role: 'system:node-bootstrapper', subjects: bootstrappers },
    { name: 'system:causeway:approve-nodeclient', role: `${prefix}nodeclient`, subjects: bootstrappers },
    { name: 'system:causeway:approve-selfnodeclient', role: `${prefix}selfnodeclient`, subjects: nodes },
    { name: 'system:causeway:approve-selfnodeserver', role: `${prefix}selfnodeserver`, subjects: nodes },
  ];
}
