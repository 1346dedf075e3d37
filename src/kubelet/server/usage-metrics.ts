import type { Usage } from './usage.ts';

type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly samples: readonly { readonly labels: Labels; readonly value: number }[];
  /** Its values are of no moment: no time is told with them. */
  readonly isTimeless?: boolean;
}

/** `/metrics/resource`: what metrics-server reads. Times are in ms, as in Kubernetes. */
export function resourceMetrics(usage: Usage): string {
  const containers = flatten(usage);
  const pods = usage.pods.filter((each) => each.containers.length > 0);
  const podLabels = (pod: { readonly name: string; readonly namespace: string }): Labels => ({
    namespace: pod.namespace,
    pod: pod.name,
  });
  return format(
    [
      family(
        'container_cpu_usage_seconds_total',
        '[STABLE] Cumulative cpu time consumed by the container in core-seconds',
        'counter',
        containers,
        (c) => seconds(c.stats.cpuNanoseconds),
      ),
      family(
        'container_memory_working_set_bytes',
        '[STABLE] Current working set of the container in bytes',
        'gauge',
        containers,
        (c) => c.stats.memoryBytes,
      ),
      {
        ...family(
          'container_start_time_seconds',
          '[STABLE] Start time of the container since unix epoch in seconds',
          'gauge',
          containers,
          (c) => c.startedAt / 1000,
        ),
        isTimeless: true,
      },
      one(
        'node_cpu_usage_seconds_total',
        '[STABLE] Cumulative cpu time consumed by the node in core-seconds',
        'counter',
        seconds(usage.node.cpuNanoseconds),
      ),
      one(
        'node_memory_working_set_bytes',
        '[STABLE] Current working set of the node in bytes',
        'gauge',
        usage.node.memoryUsedBytes,
      ),
      {
        name: 'pod_cpu_usage_seconds_total',
        help: '[STABLE] Cumulative cpu time consumed by the pod in core-seconds',
        type: 'counter',
        samples: pods.map(({ pod, containers: own }) => ({
          labels: podLabels(pod),
          value: own.reduce((sum, { stats }) => sum + seconds(stats.cpuNanoseconds), 0),
        })),
      },
      {
        name: 'pod_memory_working_set_bytes',
        help: '[STABLE] Current working set of the pod in bytes',
        type: 'gauge',
        samples: pods.map(({ pod, containers: own }) => ({
          labels: podLabels(pod),
          value: own.reduce((sum, { stats }) => sum + stats.memoryBytes, 0),
        })),
      },
      {
        ...one(
          'resource_scrape_error',
          '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise',
          'gauge',
          0,
        ),
        isTimeless: true,
      },
    ],
    usage.atMs,
  );
}

/** `/metrics/cadvisor`: the few of cAdvisor's metrics that dashboards build on. */
export function cadvisorMetrics(usage: Usage): string {
  const containers = flatten(usage).map((c) => ({ ...c, labels: { ...c.labels, id: c.stats.id } }));
  return format([
    family(
      'container_cpu_usage_seconds_total',
      'Cumulative cpu time consumed in seconds.',
      'counter',
      containers,
      (c) => seconds(c.stats.cpuNanoseconds),
    ),
    family(
      'container_memory_usage_bytes',
      'Current memory usage in bytes.',
      'gauge',
      containers,
      (c) => c.stats.memoryBytes,
    ),
    family(
      'container_memory_working_set_bytes',
      'Current working set in bytes.',
      'gauge',
      containers,
      (c) => c.stats.memoryBytes,
    ),
    one('machine_cpu_cores', 'Number of logical CPU cores.', 'gauge', usage.node.cores),
    one('machine_memory_bytes', 'Amount of memory installed on the machine.', 'gauge', usage.node.memoryTotalBytes),
  ]);
}

type Flat = Usage['pods'][number]['containers'][number] & { readonly labels: Labels };

function flatten(usage: Usage): readonly Flat[] {
  return usage.pods.flatMap(({ pod, containers }) =>
    containers.map((container) => ({
      ...container,
      labels: { container: container.name, namespace: pod.namespace, pod: pod.name },
    })),
  );
}

function family(
  name: string,
  help: string,
  type: Family['type'],
  from: readonly Flat[],
  value: (c: Flat) => number,
): Family {
  return { name, help, type, samples: from.map((c) => ({ labels: c.labels, value: value(c) })) };
}

function one(name: string, help: string, type: Family['type'], value: number): Family {
  return { name, help, type, samples: [{ labels: {}, value }] };
}

function seconds(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e9;
}

/** The text format of Prometheus. */
function format(families: readonly Family[], atMs?: number): string {
  const stamp = atMs === undefined ? '' : ` ${Math.round(atMs)}`;
  return families
    .flatMap(({ name, help, type, samples, isTimeless = false }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}${isTimeless ? '' : stamp}`),
    ])
    .join('\n')
    .concat('\n');
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escapeCharacter)}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeCharacter(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
