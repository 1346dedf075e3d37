import type {
  APIService,
  CertificateSigningRequest,
  ClusterRoleBinding,
  ComponentStatus,
  ConfigMap,
  Event,
  Lease,
  Namespace,
  Node,
  PriorityClass,
  ResourceQuota,
  ResourceSlice,
  ResourceV1ResourceClaim,
  RuntimeClass,
  Scale,
  Secret,
  ServiceAccount,
} from '../generated/types.ts';
import { ageColumn, column, docOf, nameColumn, type TableSpec, wide } from './column.ts';
import { age, humanDuration } from './human-duration.ts';
import { orNone } from './pod-table.ts';

export const nodeTable: TableSpec = {
  columns: [
    nameColumn,
    column('Status', 'The status of the node'),
    column('Roles', 'The roles of the node'),
    ageColumn,
    column('Version', docOf('core.v1.NodeSystemInfo.kubeletVersion')),
    wide('Internal-IP', docOf('core.v1.NodeStatus.addresses')),
    wide('External-IP', docOf('core.v1.NodeStatus.addresses')),
    wide('OS-Image', docOf('core.v1.NodeSystemInfo.osImage')),
    wide('Kernel-Version', docOf('core.v1.NodeSystemInfo.kernelVersion')),
    wide('Container-Runtime', docOf('core.v1.NodeSystemInfo.containerRuntimeVersion')),
  ],
  cells(object, now) {
    const node = object as unknown as Node;
    const info = node.status?.nodeInfo;
    const address = (type: string): string =>
      orNone((node.status?.addresses ?? []).find((a) => a.type === type)?.address);
    return [
      node.metadata.name,
      nodeStatus(node),
      nodeRoles(node),
      age(node.metadata.creationTimestamp, now),
      info?.kubeletVersion ?? '',
      address('InternalIP'),
      address('ExternalIP'),
      orUnknown(info?.osImage),
      orUnknown(info?.kernelVersion),
      orUnknown(info?.containerRuntimeVersion),
    ];
  },
};

function nodeStatus(node: Node): string {
  const ready = (node.status?.conditions ?? []).findLast((condition) => condition.type === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec?.unschedulable === true) words.push('SchedulingDisabled');
  return words.join(',');
}

const rolePrefix = 'node-role.kubernetes.io/';

function nodeRoles(node: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return orNone([...roles].sort().join(','));
}

function orUnknown(text: string | undefined): string {
  return text === undefined || text === '' ? '<unknown>' : text;
}

export const namespaceTable: TableSpec = {
  columns: [nameColumn, column('Status', 'The status of the namespace'), ageColumn],
  cells(object, now) {
    const { metadata, status } = object as unknown as Namespace;
    return [metadata.name, status?.phase ?? '', age(metadata.creationTimestamp, now)];
  },
};

export const secretTable: TableSpec = {
  columns: [
    nameColumn,
    column('Type', docOf('core.v1.Secret.type')),
    column('Data', docOf('core.v1.Secret.data')),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, type, data } = object as unknown as Secret;
    return [metadata.name, type ?? '', Object.keys(data ?? {}).length, age(metadata.creationTimestamp, now)];
  },
};

export const configMapTable: TableSpec = {
  columns: [nameColumn, column('Data', docOf('core.v1.ConfigMap.data')), ageColumn],
  cells(object, now) {
    const { metadata, data, binaryData } = object as unknown as ConfigMap;
    const count = Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length;
    return [metadata.name, count, age(metadata.creationTimestamp, now)];
  },
};

export const serviceAccountTable: TableSpec = {
  columns: [nameColumn, column('Secrets', docOf('core.v1.ServiceAccount.secrets')), ageColumn],
  cells(object, now) {
    const { metadata, secrets } = object as unknown as ServiceAccount;
    return [metadata.name, (secrets ?? []).length, age(metadata.creationTimestamp, now)];
  },
};

export const eventTable: TableSpec = {
  columns: [
    column('Last Seen', docOf('core.v1.Event.lastTimestamp')),
    column('Type', docOf('core.v1.Event.type')),
    column('Reason', docOf('core.v1.Event.reason')),
    column('Object', docOf('core.v1.Event.involvedObject')),
    wide('Subobject', docOf('core.v1.ObjectReference.fieldPath')),
    wide('Source', docOf('core.v1.Event.source')),
    column('Message', docOf('core.v1.Event.message')),
    wide('First Seen', docOf('core.v1.Event.firstTimestamp')),
    wide('Count', docOf('core.v1.Event.count')),
    { ...nameColumn, priority: 1 },
  ],
  cells(object, now) {
    const event = object as unknown as Event & EventsV1Fields;
    const about = event.involvedObject ?? event.regarding ?? {};
    const kind = (about.kind ?? '').toLowerCase();
    const source = event.source ?? event.deprecatedSource ?? {};
    const first = age(event.firstTimestamp ?? event.deprecatedFirstTimestamp ?? event.eventTime, now);
    const lastSeen = event.lastTimestamp ?? event.deprecatedLastTimestamp;
    const seen = event.count ?? event.deprecatedCount ?? 0;
    return [
      event.series !== undefined ? age(event.series.lastObservedTime, now) : lastSeen ? age(lastSeen, now) : first,
      event.type ?? '',
      event.reason ?? '',
      about.name === undefined || about.name === '' ? kind : `${kind}/${about.name}`,
      about.fieldPath ?? '',
      [
        source.component || event.reportingComponent || event.reportingController,
        source.host || event.reportingInstance,
      ]
        .filter((text) => text !== undefined && text !== '')
        .join(', '),
      (event.message ?? event.note ?? '').trim(),
      first,
      event.series !== undefined ? (event.series.count ?? 0) : seen === 0 ? 1 : seen,
      event.metadata.name,
    ];
  },
};

/** What `events.k8s.io/v1` calls the same fields. */
interface EventsV1Fields {
  regarding?: Event['involvedObject'];
  note?: string;
  deprecatedSource?: Event['source'];
  deprecatedCount?: number;
  deprecatedFirstTimestamp?: string;
  deprecatedLastTimestamp?: string;
  reportingController?: string;
}

export const leaseTable: TableSpec = {
  columns: [nameColumn, column('Holder', docOf('coordination.v1.LeaseSpec.holderIdentity')), ageColumn],
  cells(object, now) {
    const { metadata, spec } = object as unknown as Lease;
    return [metadata.name, spec?.holderIdentity ?? '', age(metadata.creationTimestamp, now)];
  },
};

function bindingTable(kind: 'RoleBinding' | 'ClusterRoleBinding'): TableSpec {
  const where = kind === 'RoleBinding' ? 'roleBinding' : 'clusterRoleBinding';
  return {
    columns: [
      nameColumn,
      column('Role', docOf(`rbac.v1.${kind}.roleRef`)),
      ageColumn,
      wide('Users', `Users in the ${where}`),
      wide('Groups', `Groups in the ${where}`),
      wide('ServiceAccounts', `ServiceAccounts in the ${where}`),
    ],
    cells(object, now) {
      const { metadata, roleRef, subjects } = object as unknown as ClusterRoleBinding;
      const names = (of: string): string =>
        (subjects ?? [])
          .filter((subject) => subject.kind === of)
          .map((subject) => (of === 'ServiceAccount' ? `${subject.namespace ?? ''}/${subject.name}` : subject.name))
          .join(', ');
      return [
        metadata.name,
        `${roleRef?.kind}/${roleRef?.name}`,
        age(metadata.creationTimestamp, now),
        names('User'),
        names('Group'),
        names('ServiceAccount'),
      ];
    },
  };
}

export const roleBindingTable: TableSpec = bindingTable('RoleBinding');
export const clusterRoleBindingTable: TableSpec = bindingTable('ClusterRoleBinding');

export const certificateSigningRequestTable: TableSpec = {
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', docOf('certificates.v1.CertificateSigningRequestSpec.signerName')),
    column('Requestor', docOf('certificates.v1.CertificateSigningRequestSpec.request')),
    column('RequestedDuration', docOf('certificates.v1.CertificateSigningRequestSpec.expirationSeconds')),
    column('Condition', docOf('certificates.v1.CertificateSigningRequestStatus.conditions')),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as CertificateSigningRequest;
    const has = (type: string): boolean => (status?.conditions ?? []).some((condition) => condition.type === type);
    const words = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'];
    if (has('Failed')) words.push('Failed');
    if ((status?.certificate ?? '') !== '') words.push('Issued');
    const seconds = spec?.expirationSeconds;
    return [
      metadata.name,
      age(metadata.creationTimestamp, now),
      orNone(spec?.signerName),
      spec?.username ?? '',
      seconds === undefined ? '<none>' : humanDuration(seconds * 1000),
      words.join(','),
    ];
  },
};

export const componentStatusTable: TableSpec = {
  columns: [
    nameColumn,
    column('Status', 'Status of the component conditions'),
    column('Message', 'Message of the component conditions'),
    column('Error', 'Error of the component conditions'),
  ],
  cells(object) {
    const { metadata, conditions } = object as unknown as ComponentStatus;
    const healthy = (conditions ?? []).find((condition) => condition.type === 'Healthy');
    const status = healthy === undefined ? 'Unknown' : healthy.status === 'True' ? 'Healthy' : 'Unhealthy';
    return [metadata.name, status, healthy?.message ?? '', healthy?.error ?? ''];
  },
};

export const resourceQuotaTable: TableSpec = {
  columns: [
    nameColumn,
    column('Request', 'Request represents a minimum amount of cpu/memory that a container may consume.'),
    column(
      'Limit',
      'Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.',
    ),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, status } = object as unknown as ResourceQuota;
    const hard = Object.entries(status?.hard ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const list = (limits: boolean): string =>
      hard
        .filter(([name]) => name.startsWith('limits.') === limits)
        .map(([name, quantity]) => `${name}: ${status?.used?.[name] ?? '0'}/${quantity}`)
        .join(', ');
    return [metadata.name, list(false), list(true), age(metadata.creationTimestamp, now)];
  },
};

export const priorityClassTable: TableSpec = {
  columns: [
    nameColumn,
    column('Value', docOf('scheduling.v1.PriorityClass.value'), 'integer'),
    column('Global-Default', docOf('scheduling.v1.PriorityClass.globalDefault'), 'boolean'),
    ageColumn,
    column('PreemptionPolicy', docOf('scheduling.v1.PriorityClass.preemptionPolicy')),
  ],
  cells(object, now) {
    const { metadata, value, globalDefault, preemptionPolicy } = object as unknown as PriorityClass;
    const created = age(metadata.creationTimestamp, now);
    return [metadata.name, value ?? 0, globalDefault ?? false, created, preemptionPolicy ?? ''];
  },
};

export const runtimeClassTable: TableSpec = {
  columns: [nameColumn, column('Handler', docOf('node.v1.RuntimeClass.handler')), ageColumn],
  cells(object, now) {
    const { metadata, handler } = object as unknown as RuntimeClass;
    return [metadata.name, handler ?? '', age(metadata.creationTimestamp, now)];
  },
};

export const apiServiceTable: TableSpec = {
  columns: [
    nameColumn,
    column('Service', 'The reference to the service that hosts this API endpoint.'),
    column('Available', 'Whether this service is available.'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as APIService;
    const service = spec?.service === undefined ? 'Local' : `${spec.service.namespace}/${spec.service.name}`;
    const available = (status?.conditions ?? []).find((condition) => condition.type === 'Available');
    const text =
      available === undefined
        ? 'Unknown'
        : available.status === 'True'
          ? 'True'
          : `${available.status} (${available.reason ?? ''})`;
    return [metadata.name, service, text, age(metadata.creationTimestamp, now)];
  },
};

/** The `scale` subresource. */
export const scaleTable: TableSpec = {
  columns: [
    { ...nameColumn, format: '' },
    column('Desired', docOf('autoscaling.v1.ScaleSpec.replicas'), 'integer'),
    column('Available', docOf('autoscaling.v1.ScaleStatus.replicas'), 'integer'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as Scale;
    return [metadata.name, spec?.replicas ?? 0, status?.replicas ?? 0, age(metadata.creationTimestamp, now)];
  },
};

/** Kinds that show their name and age alone. */
export const nameAndAgeTable: TableSpec = {
  columns: [nameColumn, ageColumn],
  cells: ({ metadata }, now) => [metadata.name, age(metadata.creationTimestamp, now)],
};

export const resourceClaimTable: TableSpec = {
  columns: [
    nameColumn,
    column('State', 'A summary of the current state (allocated, pending, reserved, etc.).'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, status } = object as unknown as ResourceV1ResourceClaim;
    const deleted = metadata.deletionTimestamp !== undefined;
    const states = deleted ? ['deleted'] : [];
    if (status?.allocation === undefined) {
      if (!deleted) states.push('pending');
    } else {
      states.push('allocated');
      if ((status.reservedFor ?? []).length > 0) states.push('reserved');
    }
    return [metadata.name, states.join(','), age(metadata.creationTimestamp, now)];
  },
};

export const resourceSliceTable: TableSpec = {
  columns: [
    nameColumn,
    column('Node', docOf('resource.v1.ResourceSliceSpec.nodeName')),
    column('Driver', docOf('resource.v1.ResourceSliceSpec.driver')),
    column('Pool', docOf('resource.v1.ResourcePool.name')),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as ResourceSlice;
    return [
      metadata.name,
      spec?.nodeName ?? '',
      spec?.driver ?? '',
      spec?.pool?.name ?? '',
      age(metadata.creationTimestamp, now),
    ];
  },
};
