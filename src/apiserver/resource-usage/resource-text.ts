import { CausewayError } from '../../lib/errors.ts';

/** What one look at a kubelet's `/metrics/resource` showed of a node or a container. */
export interface Reading {
  /** When the kubelet measured it, in ms since the epoch. */
  readonly atMs: number;
  /** Processor time since its start. */
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  /** Seconds since the epoch; 0 for a node. */
  readonly startedAt: number;
}

export interface NodeReading {
  readonly node: Reading;
  /** By `namespace/pod`, then by container. */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, Reading>>;
}

/** Containers of one answer: far more than a node has, so that a kubelet cannot fill the memory. */
const MAX_CONTAINERS = 10_000;

type Field = 'cpuSeconds' | 'memoryBytes' | 'startedAt';

const NODE_FIELDS: ReadonlyMap<string, Field> = new Map([
  ['node_cpu_usage_seconds_total', 'cpuSeconds'],
  ['node_memory_working_set_bytes', 'memoryBytes'],
]);
const CONTAINER_FIELDS: ReadonlyMap<string, Field> = new Map([
  ['container_cpu_usage_seconds_total', 'cpuSeconds'],
  ['container_memory_working_set_bytes', 'memoryBytes'],
  ['container_start_time_seconds', 'startedAt'],
]);

/** `name{a="b"} 1.5 1700000000000`, Prometheus' text format. */
const SAMPLE = /^(\w+)(?:\{(.*)\})? (\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: (\d{1,15}))?$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads `/metrics/resource`; other families are skipped. Throws when the node's own values are missing. */
export function parseResourceText(text: string): NodeReading {
  const node: Partial<Record<Field, number>> & { atMs?: number } = {};
  const pods = new Map<string, Map<string, Partial<Record<Field, number>> & { atMs?: number }>>();
  let containers = 0;
  for (const line of text.split('\n')) {
    const match = SAMPLE.exec(line);
    if (match === null) continue;
    const [, name = '', labelText = '', valueText = '', atText] = match;
    const nodeField = NODE_FIELDS.get(name);
    const field = nodeField ?? CONTAINER_FIELDS.get(name);
    if (field === undefined) continue;
    let target = node;
    if (nodeField === undefined) {
      const labels = new Map([...labelText.matchAll(LABEL)].map(([, key = '', value = '']) => [key, value]));
      const pod = `${labels.get('namespace')}/${labels.get('pod')}`;
      const container = labels.get('container') ?? '';
      const ofPod = pods.get(pod) ?? new Map<string, typeof target>();
      pods.set(pod, ofPod);
      const known = ofPod.get(container);
      if (known === undefined && ++containers > MAX_CONTAINERS) throw unreadable();
      target = known ?? {};
      ofPod.set(container, target);
    }
    target[field] = Number(valueText);
    if (atText !== undefined) target.atMs = Number(atText);
  }
  const whole = reading({ startedAt: 0, ...node });
  if (whole === undefined) throw unreadable();
  return {
    node: whole,
    pods: new Map(
      [...pods].map(([pod, found]) => [
        pod,
        new Map([...found].flatMap(([name, partial]) => entry(name, reading(partial)))),
      ]),
    ),
  };
}

function entry(name: string, value: Reading | undefined): [string, Reading][] {
  return value === undefined ? [] : [[name, value]];
}

function reading(partial: Partial<Record<Field, number>> & { atMs?: number }): Reading | undefined {
  const { atMs, cpuSeconds, memoryBytes, startedAt } = partial;
  if (atMs === undefined || cpuSeconds === undefined || memoryBytes === undefined || startedAt === undefined) {
    return undefined;
  }
  if (![cpuSeconds, memoryBytes, startedAt].every((value) => value <= Number.MAX_SAFE_INTEGER)) return undefined;
  return { atMs, cpuSeconds, memoryBytes, startedAt };
}

function unreadable(): CausewayError {
  return new CausewayError('BadGateway', 'the kubelet answered no metrics that can be read');
}
