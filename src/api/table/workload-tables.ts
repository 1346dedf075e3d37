import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  PodDisruptionBudget,
  PodTemplate,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../generated/types.ts';
import { type KubeObject, parseApiVersion } from '../object.ts';
import { formatLabelSelector, formatLabels } from '../selector/label-selector.ts';
import {
  ageColumn,
  type ColumnSpec,
  column,
  containerCells,
  containerColumns,
  docOf,
  listWithMore,
  nameColumn,
  type TableSpec,
  wide,
} from './column.ts';
import { age, humanDuration } from './human-duration.ts';
import { orNone } from './pod-table.ts';

const selectorColumn = (type: string): ColumnSpec => wide('Selector', docOf(`${type}.selector`));

export const podTemplateTable: TableSpec = {
  columns: [
    nameColumn,
    column('Containers', 'Names of each container in the template.'),
    column('Images', 'Images referenced by each container in the template.'),
    column('Pod Labels', 'The labels for the pod template.'),
  ],
  cells(object) {
    const { metadata, template } = object as unknown as PodTemplate;
    return [metadata.name, ...containerCells(template?.spec?.containers), formatLabels(template?.metadata?.labels)];
  },
};

export const replicationControllerTable: TableSpec = {
  columns: [
    nameColumn,
    column('Desired', docOf('core.v1.ReplicationControllerSpec.replicas'), 'integer'),
    column('Current', docOf('core.v1.ReplicationControllerStatus.replicas'), 'integer'),
    column('Ready', docOf('core.v1.ReplicationControllerStatus.readyReplicas'), 'integer'),
    ageColumn,
    ...containerColumns,
    selectorColumn('core.v1.ReplicationControllerSpec'),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as ReplicationController;
    return [
      metadata.name,
      spec?.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec?.template?.spec?.containers),
      formatLabels(spec?.selector),
    ];
  },
};

export const replicaSetTable: TableSpec = {
  columns: [
    nameColumn,
    column('Desired', docOf('apps.v1.ReplicaSetSpec.replicas'), 'integer'),
    column('Current', docOf('apps.v1.ReplicaSetStatus.replicas'), 'integer'),
    column('Ready', docOf('apps.v1.ReplicaSetStatus.readyReplicas'), 'integer'),
    ageColumn,
    ...containerColumns,
    selectorColumn('apps.v1.ReplicaSetSpec'),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as ReplicaSet;
    return [
      metadata.name,
      spec?.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec?.template?.spec?.containers),
      formatLabelSelector(spec?.selector),
    ];
  },
};

export const deploymentTable: TableSpec = {
  columns: [
    nameColumn,
    column('Ready', 'Number of the pod with ready state'),
    column('Up-to-date', docOf('apps.v1.DeploymentStatus.updatedReplicas')),
    column('Available', docOf('apps.v1.DeploymentStatus.availableReplicas')),
    ageColumn,
    ...containerColumns,
    selectorColumn('apps.v1.DeploymentSpec'),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as Deployment;
    return [
      metadata.name,
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      status?.updatedReplicas ?? 0,
      status?.availableReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec?.template?.spec?.containers),
      formatLabelSelector(spec?.selector),
    ];
  },
};

export const statefulSetTable: TableSpec = {
  columns: [nameColumn, column('Ready', 'Number of the pod with ready state'), ageColumn, ...containerColumns],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as StatefulSet;
    return [
      metadata.name,
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      age(metadata.creationTimestamp, now),
      ...containerCells(spec?.template?.spec?.containers),
    ];
  },
};

export const daemonSetTable: TableSpec = {
  columns: [
    nameColumn,
    column('Desired', docOf('apps.v1.DaemonSetStatus.desiredNumberScheduled'), 'integer'),
    column('Current', docOf('apps.v1.DaemonSetStatus.currentNumberScheduled'), 'integer'),
    column('Ready', docOf('apps.v1.DaemonSetStatus.numberReady'), 'integer'),
    column('Up-to-date', docOf('apps.v1.DaemonSetStatus.updatedNumberScheduled'), 'integer'),
    column('Available', docOf('apps.v1.DaemonSetStatus.numberAvailable'), 'integer'),
    column('Node Selector', docOf('core.v1.PodSpec.nodeSelector')),
    ageColumn,
    ...containerColumns,
    selectorColumn('apps.v1.DaemonSetSpec'),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as DaemonSet;
    return [
      metadata.name,
      status?.desiredNumberScheduled ?? 0,
      status?.currentNumberScheduled ?? 0,
      status?.numberReady ?? 0,
      status?.updatedNumberScheduled ?? 0,
      status?.numberAvailable ?? 0,
      formatLabels(spec?.template?.spec?.nodeSelector),
      age(metadata.creationTimestamp, now),
      ...containerCells(spec?.template?.spec?.containers),
      formatLabelSelector(spec?.selector),
    ];
  },
};

export const controllerRevisionTable: TableSpec = {
  columns: [
    nameColumn,
    column('Controller', 'Controller of the object'),
    column('Revision', docOf('apps.v1.ControllerRevision.revision')),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, revision } = object as unknown as ControllerRevision;
    const owner = metadata.ownerReferences?.find((reference) => reference.controller === true);
    const group = parseApiVersion(owner?.apiVersion ?? '').group;
    const kind = group === '' ? owner?.kind : `${owner?.kind}.${group}`;
    const controller = owner === undefined ? '<none>' : `${kind?.toLowerCase()}/${owner.name}`;
    return [metadata.name, controller, revision ?? 0, age(metadata.creationTimestamp, now)];
  },
};

export const jobTable: TableSpec = {
  columns: [
    nameColumn,
    column('Status', 'Status of the job.'),
    column('Completions', docOf('batch.v1.JobStatus.succeeded')),
    column('Duration', 'Time required to complete the job.'),
    ageColumn,
    ...containerColumns,
    selectorColumn('batch.v1.JobSpec'),
  ],
  cells(object, now) {
    const job = object as unknown as Job;
    return [
      job.metadata.name,
      jobStatus(job),
      jobCompletions(job),
      jobDuration(job, now),
      age(job.metadata.creationTimestamp, now),
      ...containerCells(job.spec?.template?.spec?.containers),
      formatLabelSelector(job.spec?.selector),
    ];
  },
};

function jobStatus(job: Job): string {
  const has = (type: string): boolean =>
    (job.status?.conditions ?? []).find((condition) => condition.type === type)?.status === 'True';
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (has('Suspended')) return 'Suspended';
  return has('FailureTarget') ? 'FailureTarget' : 'Running';
}

function jobCompletions({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${done}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

function jobDuration({ status }: Job, now: number): string {
  if (status?.startTime === undefined) return '';
  const end = status.completionTime === undefined ? now : Date.parse(status.completionTime);
  return humanDuration(end - Date.parse(status.startTime));
}

export const cronJobTable: TableSpec = {
  columns: [
    nameColumn,
    column('Schedule', docOf('batch.v1.CronJobSpec.schedule')),
    column('Timezone', docOf('batch.v1.CronJobSpec.timeZone')),
    column('Suspend', docOf('batch.v1.CronJobSpec.suspend'), 'boolean'),
    column('Active', docOf('batch.v1.CronJobStatus.active'), 'integer'),
    column('Last Schedule', docOf('batch.v1.CronJobStatus.lastScheduleTime')),
    ageColumn,
    ...containerColumns,
    selectorColumn('batch.v1.JobSpec'),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as CronJob;
    const last = status?.lastScheduleTime;
    return [
      metadata.name,
      spec?.schedule ?? '',
      spec?.timeZone ?? '<none>',
      spec?.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False',
      (status?.active ?? []).length,
      last === undefined ? '<none>' : age(last, now),
      age(metadata.creationTimestamp, now),
      ...containerCells(spec?.jobTemplate?.spec?.template?.spec?.containers),
      formatLabelSelector(spec?.jobTemplate?.spec?.selector),
    ];
  },
};

export const podDisruptionBudgetTable: TableSpec = {
  columns: [
    nameColumn,
    column('Min Available', 'The minimum number of pods that must be available.'),
    column('Max Unavailable', 'The maximum number of pods that may be unavailable.'),
    column('Allowed Disruptions', 'Calculated number of pods that may be disrupted at this time.', 'integer'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as PodDisruptionBudget;
    return [
      metadata.name,
      String(spec?.minAvailable ?? 'N/A'),
      String(spec?.maxUnavailable ?? 'N/A'),
      status?.disruptionsAllowed ?? 0,
      age(metadata.creationTimestamp, now),
    ];
  },
};

export const horizontalPodAutoscalerTable: TableSpec = {
  columns: [
    nameColumn,
    column('Reference', docOf('autoscaling.v2.HorizontalPodAutoscalerSpec.scaleTargetRef')),
    column('Targets', docOf('autoscaling.v2.HorizontalPodAutoscalerSpec.metrics')),
    column('MinPods', docOf('autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas')),
    column('MaxPods', docOf('autoscaling.v2.HorizontalPodAutoscalerSpec.maxReplicas')),
    column('Replicas', docOf('autoscaling.v2.HorizontalPodAutoscalerStatus.currentReplicas')),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as HorizontalPodAutoscaler;
    return [
      metadata.name,
      `${spec?.scaleTargetRef?.kind}/${spec?.scaleTargetRef?.name}`,
      hpaTargets(object),
      spec?.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
      spec?.maxReplicas ?? 0,
      status?.currentReplicas ?? 0,
      age(metadata.creationTimestamp, now),
    ];
  },
};

interface MetricValue {
  averageValue?: string;
  averageUtilization?: number;
  value?: string;
}
interface MetricSource {
  name?: string;
  target?: MetricValue;
  current?: MetricValue;
}
type Metric = { type: string } & Record<string, MetricSource | string | undefined>;

/** `cpu: 10%/80%, memory: 1Gi/2Gi + 1 more...` */
function hpaTargets(object: KubeObject): string {
  const spec = (object.spec ?? {}) as { metrics?: Metric[]; targetCPUUtilizationPercentage?: number };
  const status = (object.status ?? {}) as { currentMetrics?: Metric[]; currentCPUUtilizationPercentage?: number };
  if (spec.targetCPUUtilizationPercentage !== undefined) {
    const current = status.currentCPUUtilizationPercentage;
    return `cpu: ${current === undefined ? '<unknown>' : `${current}%`}/${spec.targetCPUUtilizationPercentage}%`;
  }
  const metrics = spec.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  return listWithMore(
    metrics.map((metric, i) => hpaMetric(metric, status.currentMetrics?.[i])),
    2,
    ', ',
  );
}

const metricFields = new Map([
  ['External', 'external'],
  ['Pods', 'pods'],
  ['Object', 'object'],
  ['Resource', 'resource'],
  ['ContainerResource', 'containerResource'],
]);

function hpaMetric(metric: Metric, status: Metric | undefined): string {
  const field = metricFields.get(metric.type);
  if (field === undefined) return '<unknown type>';
  const source = metric[field] as MetricSource | undefined;
  const target = source?.target ?? {};
  const current = (status?.[field] as MetricSource | undefined)?.current;
  if (field === 'resource' || field === 'containerResource') {
    const name = source?.name ?? '';
    if (target.averageValue !== undefined) {
      return `${name}: ${current?.averageValue ?? '<unknown>'}/${target.averageValue}`;
    }
    return `${name}: ${percent(current?.averageUtilization) ?? '<unknown>'}/${percent(target.averageUtilization) ?? '<auto>'}`;
  }
  if (target.averageValue === undefined) return `${orUnknown(current?.value)}/${target.value ?? ''}`;
  const suffix = field === 'pods' ? '' : ' (avg)';
  return `${orUnknown(current?.averageValue)}/${target.averageValue}${suffix}`;
}

function percent(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${value}%`;
}

function orUnknown(text: string | undefined): string {
  const value = orNone(text);
  return value === '<none>' ? '<unknown>' : value;
}
