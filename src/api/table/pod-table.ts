import type { Container, ContainerStatus, Pod, PodStatus } from '../generated/types.ts';
import { ageColumn, column, docOf, nameColumn, type RowCondition, type TableSpec, wide } from './column.ts';
import { age } from './human-duration.ts';

const succeeded: readonly RowCondition[] = [
  { type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' },
];
const failed: readonly RowCondition[] = [
  { type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' },
];

export const podTable: TableSpec = {
  columns: [
    nameColumn,
    column('Ready', 'The aggregate readiness state of this pod for accepting traffic.'),
    column('Status', 'The aggregate status of the containers in this pod.'),
    column(
      'Restarts',
      'The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.',
    ),
    ageColumn,
    wide('IP', docOf('core.v1.PodStatus.podIP')),
    wide('Node', docOf('core.v1.PodSpec.nodeName')),
    wide('Nominated Node', docOf('core.v1.PodStatus.nominatedNodeName')),
    wide('Readiness Gates', docOf('core.v1.PodSpec.readinessGates')),
  ],
  cells(object, now) {
    const pod = object as unknown as Pod;
    const { ready, total, status, restarts } = summarizePod(pod, now);
    return [
      pod.metadata.name ?? '',
      `${ready}/${total}`,
      status,
      restarts,
      age(pod.metadata.creationTimestamp, now),
      orNone(pod.status?.podIPs?.[0]?.ip),
      orNone(pod.spec?.nodeName),
      orNone(pod.status?.nominatedNodeName),
      readinessGates(pod),
    ];
  },
  conditions(object) {
    const phase = (object as unknown as Pod).status?.phase;
    if (phase === 'Succeeded') return succeeded;
    return phase === 'Failed' ? failed : undefined;
  },
};

export interface PodSummary {
  readonly ready: number;
  readonly total: number;
  /** `Running`, `Init:0/1`, `CrashLoopBackOff`, `Terminating`, `Completed`, … */
  readonly status: string;
  /** `0`, or `2 (5m ago)`. */
  readonly restarts: string;
}

/** What the columns READY, STATUS and RESTARTS say of a pod. */
export function summarizePod(pod: Pod, now: number): PodSummary {
  const status = pod.status ?? {};
  const init = initPhase(pod);
  let reason = baseReason(status);
  let { ready } = init;
  let restarts = init.restarts;
  let lastRestart = init.lastRestart;
  if (init.reason !== undefined) reason = init.reason;

  if (init.reason === undefined || conditionIs(status, 'Initialized')) {
    restarts = init.sidecarRestarts;
    lastRestart = init.sidecarLastRestart;
    let running = false;
    for (const container of [...(status.containerStatuses ?? [])].reverse()) {
      restarts += container.restartCount ?? 0;
      lastRestart = later(lastRestart, container.lastState?.terminated?.finishedAt);
      const text = containerReason(container);
      if (text !== undefined) reason = text;
      else if (container.ready && container.state?.running !== undefined) {
        running = true;
        ready += 1;
      }
    }
    if (reason === 'Completed' && running) reason = conditionIs(status, 'Ready') ? 'Running' : 'NotReady';
  }

  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status.reason === 'NodeLost') reason = 'Unknown';
    else if (status.phase !== 'Succeeded' && status.phase !== 'Failed') reason = 'Terminating';
  }
  const ago = restarts !== 0 && lastRestart !== '' ? ` (${age(lastRestart, now)} ago)` : '';
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar).length;
  return {
    ready,
    total: (pod.spec?.containers ?? []).length + sidecars,
    status: reason,
    restarts: `${restarts}${ago}`,
  };
}

function baseReason(status: PodStatus): string {
  const gated = (status.conditions ?? []).some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated');
  if (gated) return 'SchedulingGated';
  return status.reason !== undefined && status.reason !== '' ? status.reason : (status.phase ?? '');
}

interface InitPhase {
  /** Set while the pod is not through its init containers. */
  readonly reason: string | undefined;
  readonly ready: number;
  readonly restarts: number;
  readonly lastRestart: string;
  readonly sidecarRestarts: number;
  readonly sidecarLastRestart: string;
}

function initPhase(pod: Pod): InitPhase {
  const containers = new Map((pod.spec?.initContainers ?? []).map((c) => [c.name, c]));
  let ready = 0;
  let restarts = 0;
  let sidecarRestarts = 0;
  let lastRestart = '';
  let sidecarLastRestart = '';
  let reason: string | undefined;
  for (const [i, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = isSidecar(containers.get(container.name));
    const finished = container.lastState?.terminated?.finishedAt;
    restarts += container.restartCount ?? 0;
    lastRestart = later(lastRestart, finished);
    if (sidecar) {
      sidecarRestarts += container.restartCount ?? 0;
      sidecarLastRestart = later(sidecarLastRestart, finished);
    }
    if (container.state?.terminated !== undefined && (container.state.terminated.exitCode ?? 0) === 0) continue;
    if (sidecar && container.started === true) {
      if (container.ready) ready += 1;
      continue;
    }
    reason = initReason(container, i, containers.size);
    break;
  }
  return { reason, ready, restarts, lastRestart, sidecarRestarts, sidecarLastRestart };
}

function initReason(container: ContainerStatus, i: number, count: number): string {
  const { terminated, waiting } = container.state ?? {};
  if (terminated !== undefined) return `Init:${terminatedReason(terminated)}`;
  const text = waiting?.reason ?? '';
  return text !== '' && text !== 'PodInitializing' ? `Init:${text}` : `Init:${i}/${count}`;
}

function containerReason(container: ContainerStatus): string | undefined {
  const { terminated, waiting } = container.state ?? {};
  if (waiting?.reason !== undefined && waiting.reason !== '') return waiting.reason;
  return terminated === undefined ? undefined : terminatedReason(terminated);
}

function terminatedReason(terminated: NonNullable<NonNullable<ContainerStatus['state']>['terminated']>): string {
  if (terminated.reason !== undefined && terminated.reason !== '') return terminated.reason;
  return (terminated.signal ?? 0) !== 0 ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode ?? 0}`;
}

function isSidecar(container: Container | undefined): boolean {
  return container?.restartPolicy === 'Always';
}

function conditionIs(status: PodStatus, type: string): boolean {
  return (status.conditions ?? []).find((c) => c.type === type)?.status === 'True';
}

function later(a: string, b: string | undefined): string {
  if (b === undefined) return a;
  return a === '' || Date.parse(b) > Date.parse(a) ? b : a;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const fulfilled = gates.filter((gate) => conditionIs(pod.status ?? {}, gate.conditionType)).length;
  return `${fulfilled}/${gates.length}`;
}

export function orNone(text: string | null | undefined): string {
  return text === undefined || text === null || text === '' ? '<none>' : text;
}
