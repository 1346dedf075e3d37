import type {
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ClusterTrustBundle,
  ConfigMap,
  Deployment,
  EndpointSlice,
  Endpoints,
  Lease,
  Namespace,
  Node,
  Pod,
  PodCertificateRequest,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
} from '../api/generated/types.ts';
import { resource } from './rest-client.ts';

/** The resources that components ask for by name. */
export const PODS = resource<Pod>('', 'v1', 'pods', 'Pod');
export const NODES = resource<Node>('', 'v1', 'nodes', 'Node', false);
export const NAMESPACES = resource<Namespace>('', 'v1', 'namespaces', 'Namespace', false);
export const SERVICES = resource<Service>('', 'v1', 'services', 'Service');
export const ENDPOINTS = resource<Endpoints>('', 'v1', 'endpoints', 'Endpoints');
export const ENDPOINT_SLICES = resource<EndpointSlice>('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice');
export const CONFIG_MAPS = resource<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap');
export const SECRETS = resource<Secret>('', 'v1', 'secrets', 'Secret');
export const SERVICE_ACCOUNTS = resource<ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount');
export const DEPLOYMENTS = resource<Deployment>('apps', 'v1', 'deployments', 'Deployment');
export const REPLICA_SETS = resource<ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet');
export const STATEFUL_SETS = resource<StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet');
export const REPLICATION_CONTROLLERS = resource<ReplicationController>(
  '',
  'v1',
  'replicationcontrollers',
  'ReplicationController',
);
export const POD_DISRUPTION_BUDGETS = resource<PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
);
export const LEASES = resource<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const CERTIFICATE_SIGNING_REQUESTS = resource<CertificateSigningRequest>(
  'certificates.k8s.io',
  'v1',
  'certificatesigningrequests',
  'CertificateSigningRequest',
  false,
);
export const CLUSTER_ROLES = resource<ClusterRole>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterroles',
  'ClusterRole',
  false,
);
export const CLUSTER_ROLE_BINDINGS = resource<ClusterRoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterrolebindings',
  'ClusterRoleBinding',
  false,
);
export const CLUSTER_TRUST_BUNDLES = resource<ClusterTrustBundle>(
  'certificates.k8s.io',
  'v1beta1',
  'clustertrustbundles',
  'ClusterTrustBundle',
  false,
);
export const POD_CERTIFICATE_REQUESTS = resource<PodCertificateRequest>(
  'certificates.k8s.io',
  'v1beta1',
  'podcertificaterequests',
  'PodCertificateRequest',
);
