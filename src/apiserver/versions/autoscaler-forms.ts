import type { KubeObject } from '../../api/object.ts';

/**
 * `autoscaling/v1` knows one metric, the CPU of a Resource. Whatever else `v2` says travels in annotations, Kubernetes' own names, so that an
 * update through `v1` loses nothing.
 */
const annotations = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
} as const;

interface Metric {
  type?: string;
  resource?: {
    name?: string;
    target?: { type?: string; averageUtilization?: number };
    current?: { averageUtilization?: number };
  };
}

interface Form {
  spec?: Record<string, unknown> & { metrics?: Metric[] };
  status?: Record<string, unknown> & { currentMetrics?: Metric[] | null };
}

function isCpu(metric: Metric): boolean {
  return metric.type === 'Resource' && metric.resource?.name === 'cpu';
}

function withAnnotations(object: KubeObject, values: Readonly<Record<string, unknown>>): KubeObject['metadata'] {
  const all: Record<string, string> = { ...object.metadata.annotations };
  for (const name of Object.values(annotations)) delete all[name];
  for (const [name, value] of Object.entries(values)) if (value !== undefined) all[name] = JSON.stringify(value);
  const { annotations: _, ...metadata } = object.metadata;
  return Object.keys(all).length === 0 ? metadata : { ...metadata, annotations: all };
}

/** What an annotation carries; nothing when somebody wrote nonsense into it. */
function carried(object: KubeObject, name: string): unknown {
  try {
    return JSON.parse(object.metadata.annotations?.[name] ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

function some<T>(list: readonly T[] | null | undefined): readonly T[] | undefined {
  return list === undefined || list === null || list.length === 0 ? undefined : list;
}

export function autoscalerV1(object: KubeObject): KubeObject {
  const { spec = {}, status = {} } = object as Form;
  const { metrics = [], behavior, ...restSpec } = spec;
  const { currentMetrics, conditions, ...restStatus } = status;
  const cpu = metrics.find((m) => isCpu(m) && m.resource?.target?.type === 'Utilization');
  const current = (currentMetrics ?? []).find(isCpu);
  const utilization = current?.resource?.current?.averageUtilization;
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    metadata: withAnnotations(object, {
      [annotations.metrics]: some(metrics.filter((m) => m !== cpu)),
      [annotations.behavior]: behavior,
      [annotations.currentMetrics]: some((currentMetrics ?? []).filter((m) => m !== current)),
      [annotations.conditions]: some(conditions as unknown[] | undefined),
    }),
    spec: {
      ...restSpec,
      ...(cpu === undefined ? {} : { targetCPUUtilizationPercentage: cpu.resource?.target?.averageUtilization }),
    },
    status: { ...restStatus, ...(utilization === undefined ? {} : { currentCPUUtilizationPercentage: utilization }) },
  };
}

export function autoscalerV2(object: KubeObject): KubeObject {
  const { spec = {}, status = {} } = object as Form;
  const { targetCPUUtilizationPercentage: target, ...restSpec } = spec;
  const { currentCPUUtilizationPercentage: current, ...restStatus } = status;
  const metrics = [...((carried(object, annotations.metrics) as Metric[] | undefined) ?? [])];
  if (typeof target === 'number') {
    metrics.unshift({
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } },
    });
  }
  const currentMetrics = [...((carried(object, annotations.currentMetrics) as Metric[] | undefined) ?? [])];
  if (typeof current === 'number') {
    currentMetrics.unshift({
      type: 'Resource',
      resource: { name: 'cpu', current: { averageUtilization: current } },
    });
  }
  const behavior = carried(object, annotations.behavior);
  const conditions = carried(object, annotations.conditions);
  return {
    ...object,
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(object, {}),
    spec: {
      ...restSpec,
      ...(metrics.length === 0 ? {} : { metrics }),
      ...(behavior === undefined ? {} : { behavior }),
    },
    status: {
      ...restStatus,
      currentMetrics: currentMetrics.length === 0 ? null : currentMetrics,
      ...(conditions === undefined ? {} : { conditions }),
    },
  };
}
