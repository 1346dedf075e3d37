import type { PolicyRule } from './objects.ts';
import { eventsRule, read, readWrite, rule, urls, write } from './rule-table.ts';

export interface RoleRow {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  /** `admin`, `edit` or `view`: the role is labelled so that its rules become part of that one. */
  readonly aggregateTo?: string;
  /** `admin`, `edit` or `view`: the role collects those that are labelled for it. */
  readonly aggregates?: string;
}

const auth = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
];

/** What every node may ask for; the Node authoriser and NodeRestriction narrow most of it to the node's own objects. */
export const nodeRules: readonly PolicyRule[] = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews,localsubjectaccessreviews'),
  rule(read, '', 'services'),
  rule('create,get,list,watch', '', 'nodes'),
  rule('patch,update', '', 'nodes/status'),
  rule('patch,update', '', 'nodes'),
  rule('create,patch,update', '', 'events'),
  rule(read, '', 'pods'),
  rule('create,delete', '', 'pods'),
  rule('patch,update', '', 'pods/status'),
  rule('create', '', 'pods/eviction'),
  rule(read, '', 'secrets,configmaps'),
  rule('get', '', 'persistentvolumeclaims,persistentvolumes'),
  rule('get', '', 'endpoints'),
  rule('create,get,list,watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  rule('create,get,list,watch', 'certificates.k8s.io', 'podcertificaterequests'),
  rule(read, 'certificates.k8s.io', 'clustertrustbundles'),
  rule('create,delete,get,patch,update', 'coordination.k8s.io', 'leases'),
  rule('get', 'storage.k8s.io', 'volumeattachments'),
  rule('create', '', 'serviceaccounts/token'),
  rule('get,patch,update', '', 'persistentvolumeclaims/status'),
  rule(read, 'storage.k8s.io', 'csidrivers'),
  rule('create,delete,get,patch,update', 'storage.k8s.io', 'csinodes'),
  rule(read, 'node.k8s.io', 'runtimeclasses'),
  rule('get', 'resource.k8s.io', 'resourceclaims'),
  rule('deletecollection', 'resource.k8s.io', 'resourceslices'),
  rule('get', '', 'serviceaccounts'),
];

const approver = (signer: string): RoleRow => ({
  name: `system:certificates.k8s.io:${signer}-approver`,
  rules: [rule('approve', 'certificates.k8s.io', 'signers', `kubernetes.io/${signer}`)],
});

const nodeCsr = (kind: string): RoleRow => ({
  name: `system:certificates.k8s.io:certificatesigningrequests:${kind}`,
  rules: [rule('create', 'certificates.k8s.io', `certificatesigningrequests/${kind}`)],
});

/** Leader election of a component, and what it needs to check who may use its own endpoints. */
const leaderElection = (component: string): readonly PolicyRule[] => [
  rule('create', 'coordination.k8s.io', 'leases'),
  rule('get,list,update,watch', 'coordination.k8s.io', 'leases', component),
];

const editApps =
  'daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale';
const editExtensions =
  'daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale';
const viewCore =
  'configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status';
const viewStatus =
  'bindings,events,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status';
const viewApps =
  'controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status';
const viewExtensions =
  'daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale';

/** The ClusterRoles of Kubernetes 1.36 with its default feature gates, without the controllers' own. */
export const clusterRoleTable: readonly RoleRow[] = [
  { name: 'cluster-admin', rules: [rule('*', '*', '*'), urls('*', '*')] },
  {
    name: 'system:discovery',
    rules: [urls('get', '/livez,/readyz,/healthz,/version,/version/,/openapi,/openapi/*,/api,/api/*,/apis,/apis/*')],
  },
  {
    name: 'system:monitoring',
    rules: [urls('get', '/metrics,/metrics/slis,/livez,/readyz,/healthz,/livez/*,/readyz/*,/healthz/*')],
  },
  {
    name: 'system:basic-user',
    rules: [
      rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews,selfsubjectrulesreviews'),
      rule('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ],
  },
  { name: 'system:public-info-viewer', rules: [urls('get', '/livez,/readyz,/healthz,/version,/version/')] },
  { name: 'admin', rules: [], aggregates: 'admin' },
  { name: 'edit', rules: [], aggregates: 'edit', aggregateTo: 'admin' },
  { name: 'view', rules: [], aggregates: 'view', aggregateTo: 'edit' },
  {
    name: 'system:aggregate-to-admin',
    aggregateTo: 'admin',
    rules: [
      rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
      rule(readWrite, 'rbac.authorization.k8s.io', 'roles,rolebindings'),
    ],
  },
  {
    name: 'system:aggregate-to-edit',
    aggregateTo: 'edit',
    rules: [
      rule(read, '', 'pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy'),
      rule('impersonate', '', 'serviceaccounts'),
      rule(write, '', 'pods,pods/attach,pods/exec,pods/portforward,pods/proxy'),
      rule('create', '', 'pods/eviction'),
      rule(
        write,
        '',
        'configmaps,events,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy',
      ),
      rule('create', '', 'serviceaccounts/token'),
      rule(write, 'apps', editApps),
      rule(write, 'autoscaling', 'horizontalpodautoscalers'),
      rule(write, 'batch', 'cronjobs,jobs'),
      rule(write, 'extensions', editExtensions),
      rule(write, 'policy', 'poddisruptionbudgets'),
      rule(write, 'networking.k8s.io', 'ingresses,networkpolicies'),
      rule(readWrite, 'coordination.k8s.io', 'leases'),
      rule(write, 'resource.k8s.io', 'resourceclaims,resourceclaimtemplates'),
    ],
  },
  {
    name: 'system:aggregate-to-view',
    aggregateTo: 'view',
    rules: [
      rule(read, '', viewCore),
      rule(read, '', viewStatus),
      // In a namespace this reads that namespace only.
      rule(read, '', 'namespaces'),
      rule(read, 'discovery.k8s.io', 'endpointslices'),
      rule(read, 'apps', viewApps),
      rule(read, 'autoscaling', 'horizontalpodautoscalers,horizontalpodautoscalers/status'),
      rule(read, 'batch', 'cronjobs,cronjobs/status,jobs,jobs/status'),
      rule(read, 'extensions', viewExtensions),
      rule(read, 'policy', 'poddisruptionbudgets,poddisruptionbudgets/status'),
      rule(read, 'networking.k8s.io', 'ingresses,ingresses/status,networkpolicies'),
      rule(read, 'resource.k8s.io', 'resourceclaims,resourceclaims/status,resourceclaimtemplates'),
    ],
  },
  {
    name: 'system:heapster',
    rules: [rule(read, '', 'events,namespaces,nodes,pods'), rule(read, 'extensions', 'deployments')],
  },
  { name: 'system:node', rules: nodeRules },
  {
    name: 'system:node-problem-detector',
    rules: [rule('get', '', 'nodes'), rule('patch', '', 'nodes/status'), eventsRule],
  },
  {
    name: 'system:kubelet-api-admin',
    rules: [
      rule(read, '', 'nodes'),
      rule('proxy', '', 'nodes'),
      rule('*', '', 'nodes/log,nodes/metrics,nodes/proxy,nodes/stats'),
      rule('*', '', 'nodes/configz,nodes/healthz,nodes/pods'),
    ],
  },
  {
    name: 'system:node-bootstrapper',
    rules: [rule('create,get,list,watch', 'certificates.k8s.io', 'certificatesigningrequests')],
  },
  { name: 'system:auth-delegator', rules: auth },
  { name: 'system:kube-aggregator', rules: [rule(read, '', 'endpoints,services')] },
  {
    name: 'system:kube-controller-manager',
    rules: [
      eventsRule,
      rule('create', 'coordination.k8s.io', 'leases'),
      rule('get,update', 'coordination.k8s.io', 'leases', 'kube-controller-manager'),
      rule('create', '', 'secrets,serviceaccounts'),
      rule('delete', '', 'secrets'),
      rule('get', '', 'configmaps,namespaces,secrets,serviceaccounts'),
      rule('update', '', 'secrets,serviceaccounts'),
      ...auth,
      rule('list,watch', '*', '*'),
      rule('create', '', 'serviceaccounts/token'),
    ],
  },
  { name: 'system:kube-dns', rules: [rule('list,watch', '', 'endpoints,services')] },
  {
    name: 'system:persistent-volume-provisioner',
    rules: [
      rule('create,delete,get,list,watch', '', 'persistentvolumes'),
      rule('get,list,update,watch', '', 'persistentvolumeclaims'),
      rule(read, 'storage.k8s.io', 'storageclasses'),
      rule('watch', '', 'events'),
      eventsRule,
    ],
  },
  nodeCsr('nodeclient'),
  nodeCsr('selfnodeclient'),
  // Kubernetes leaves the approval of serving certificates to others, which call this right so.
  nodeCsr('selfnodeserver'),
  {
    name: 'system:volume-scheduler',
    rules: [
      rule('get,list,patch,update,watch', '', 'persistentvolumes'),
      rule(read, 'storage.k8s.io', 'storageclasses'),
      rule('get,list,patch,update,watch', '', 'persistentvolumeclaims'),
    ],
  },
  approver('legacy-unknown'),
  approver('kubelet-serving'),
  approver('kube-apiserver-client'),
  approver('kube-apiserver-client-kubelet'),
  { name: 'system:cluster-trust-bundle-discovery', rules: [rule(read, 'certificates.k8s.io', 'clustertrustbundles')] },
  {
    name: 'system:service-account-issuer-discovery',
    rules: [
      urls(
        'get',
        '/.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/',
      ),
    ],
  },
  {
    name: 'system:node-proxier',
    rules: [
      rule('list,watch', '', 'endpoints,services'),
      rule(read, '', 'nodes'),
      eventsRule,
      rule('list,watch', 'networking.k8s.io', 'servicecidrs'),
      rule('list,watch', 'discovery.k8s.io', 'endpointslices'),
    ],
  },
  {
    name: 'system:kube-scheduler',
    rules: [
      eventsRule,
      ...leaderElection('kube-scheduler'),
      rule(readWrite, 'coordination.k8s.io', 'leasecandidates'),
      rule(read, '', 'nodes'),
      rule('delete,get,list,watch', '', 'pods'),
      rule('create', '', 'bindings,pods/binding'),
      rule('patch,update', '', 'pods/status'),
      rule(read, '', 'replicationcontrollers,services'),
      rule(read, 'apps,extensions', 'replicasets'),
      rule(read, 'apps', 'statefulsets'),
      rule(read, 'policy', 'poddisruptionbudgets'),
      rule(read, '', 'persistentvolumeclaims,persistentvolumes'),
      ...auth,
      rule(read, 'storage.k8s.io', 'csinodes'),
      rule(read, 'storage.k8s.io', 'volumeattachments'),
      rule(read, '', 'namespaces'),
      rule(read, 'storage.k8s.io', 'csidrivers'),
      rule(read, 'storage.k8s.io', 'csistoragecapacities'),
      rule(read, 'resource.k8s.io', 'deviceclasses'),
      rule('get,list,patch,update,watch', 'resource.k8s.io', 'resourceclaims'),
      rule('get,list,patch,update,watch', 'resource.k8s.io', 'resourceclaims/status'),
      rule('get,list,patch,update,watch', '', 'pods/finalizers'),
      rule(read, 'resource.k8s.io', 'resourceslices'),
    ],
  },
];
