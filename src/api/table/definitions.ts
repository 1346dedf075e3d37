import type { KubeObject } from '../object.ts';
import type { ResourceDefinition } from '../scheme.ts';
import * as certificates from './certificate-tables.ts';
import * as cluster from './cluster-tables.ts';
import { type ColumnSpec, column, docOf, nameColumn, type TableColumn, type TableSpec } from './column.ts';
import { describeColumns } from './descriptions.ts';
import { nodeMetricsTable, podMetricsTable } from './metrics-tables.ts';
import * as network from './network-tables.ts';
import { communicationPathTable } from './path-table.ts';
import { podTable } from './pod-table.ts';
import * as policy from './policy-tables.ts';
import * as storage from './storage-tables.ts';
import * as workload from './workload-tables.ts';

/** A resource's table, its columns described. */
export interface TableDefinition {
  readonly columns: readonly TableColumn[];
  cells(object: KubeObject, now: number): unknown[];
  readonly conditions?: TableSpec['conditions'];
}

const createdAt: ColumnSpec = column('Created At', docOf('meta.v1.ObjectMeta.creationTimestamp'), 'date');

/** Kinds without columns of their own (Role, ClusterRole, LimitRange, CustomResourceDefinition, …): Kubernetes' default. */
const defaultTable: TableSpec = {
  columns: [nameColumn, createdAt],
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? ''],
};

const tables = new Map<string, TableSpec>([
  ['/Pod', podTable],
  ['/PodTemplate', workload.podTemplateTable],
  ['/ReplicationController', workload.replicationControllerTable],
  ['/Service', network.serviceTable],
  ['/Endpoints', network.endpointsTable],
  ['/Node', cluster.nodeTable],
  ['/Namespace', cluster.namespaceTable],
  ['/Secret', cluster.secretTable],
  ['/ConfigMap', cluster.configMapTable],
  ['/ServiceAccount', cluster.serviceAccountTable],
  ['/Event', cluster.eventTable],
  ['/ComponentStatus', cluster.componentStatusTable],
  ['/ResourceQuota', cluster.resourceQuotaTable],
  ['/PersistentVolume', storage.persistentVolumeTable],
  ['/PersistentVolumeClaim', storage.persistentVolumeClaimTable],
  ['admissionregistration.k8s.io/MutatingAdmissionPolicy', policy.mutatingAdmissionPolicyTable],
  ['admissionregistration.k8s.io/MutatingAdmissionPolicyBinding', policy.admissionPolicyBindingTable],
  ['admissionregistration.k8s.io/MutatingWebhookConfiguration', policy.webhookConfigurationTable],
  ['admissionregistration.k8s.io/ValidatingAdmissionPolicy', policy.validatingAdmissionPolicyTable],
  ['admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding', policy.admissionPolicyBindingTable],
  ['admissionregistration.k8s.io/ValidatingWebhookConfiguration', policy.webhookConfigurationTable],
  ['apiregistration.k8s.io/APIService', cluster.apiServiceTable],
  ['apps/ControllerRevision', workload.controllerRevisionTable],
  ['apps/DaemonSet', workload.daemonSetTable],
  ['apps/Deployment', workload.deploymentTable],
  ['apps/ReplicaSet', workload.replicaSetTable],
  ['apps/StatefulSet', workload.statefulSetTable],
  ['autoscaling/HorizontalPodAutoscaler', workload.horizontalPodAutoscalerTable],
  ['autoscaling/Scale', cluster.scaleTable],
  ['batch/CronJob', workload.cronJobTable],
  ['batch/Job', workload.jobTable],
  ['certificates.k8s.io/CertificateSigningRequest', cluster.certificateSigningRequestTable],
  ['certificates.k8s.io/ClusterTrustBundle', certificates.clusterTrustBundleTable],
  ['certificates.k8s.io/PodCertificateRequest', certificates.podCertificateRequestTable],
  ['coordination.k8s.io/Lease', cluster.leaseTable],
  ['discovery.k8s.io/EndpointSlice', network.endpointSliceTable],
  ['events.k8s.io/Event', cluster.eventTable],
  ['flowcontrol.apiserver.k8s.io/FlowSchema', policy.flowSchemaTable],
  ['flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration', policy.priorityLevelConfigurationTable],
  ['metrics.k8s.io/NodeMetrics', nodeMetricsTable],
  ['metrics.k8s.io/PodMetrics', podMetricsTable],
  ['networking.k8s.io/IPAddress', network.ipAddressTable],
  ['networking.k8s.io/Ingress', network.ingressTable],
  ['networking.k8s.io/IngressClass', network.ingressClassTable],
  ['networking.k8s.io/NetworkPolicy', network.networkPolicyTable],
  ['networking.k8s.io/ServiceCIDR', network.serviceCidrTable],
  ['node.k8s.io/RuntimeClass', cluster.runtimeClassTable],
  ['paths.causeway.dev/CommunicationPath', communicationPathTable],
  ['policy/PodDisruptionBudget', workload.podDisruptionBudgetTable],
  ['rbac.authorization.k8s.io/ClusterRoleBinding', cluster.clusterRoleBindingTable],
  ['rbac.authorization.k8s.io/RoleBinding', cluster.roleBindingTable],
  ['resource.k8s.io/DeviceClass', cluster.nameAndAgeTable],
  ['resource.k8s.io/ResourceClaim', cluster.resourceClaimTable],
  ['resource.k8s.io/ResourceClaimTemplate', cluster.nameAndAgeTable],
  ['resource.k8s.io/ResourceSlice', cluster.resourceSliceTable],
  ['scheduling.k8s.io/PriorityClass', cluster.priorityClassTable],
  ['storage.k8s.io/CSIDriver', storage.csiDriverTable],
  ['storage.k8s.io/CSINode', storage.csiNodeTable],
  ['storage.k8s.io/CSIStorageCapacity', storage.csiStorageCapacityTable],
  ['storage.k8s.io/StorageClass', storage.storageClassTable],
  ['storage.k8s.io/VolumeAttachment', storage.volumeAttachmentTable],
  ['storage.k8s.io/VolumeAttributesClass', storage.volumeAttributesClassTable],
]);

const described = new Map<TableSpec, TableDefinition>();

/** How a resource (or a subresource's kind, such as `autoscaling/Scale`) is shown. */
export function tableOf(resource: Pick<ResourceDefinition, 'group' | 'kind'>): TableDefinition {
  const spec = tables.get(`${resource.group}/${resource.kind}`) ?? defaultTable;
  let definition = described.get(spec);
  if (definition === undefined) {
    definition = { ...spec, columns: describeColumns(spec.columns) };
    described.set(spec, definition);
  }
  return definition;
}
