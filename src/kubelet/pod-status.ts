import type {
  ContainerStatus as ApiContainerStatus,
  Container,
  ContainerState,
  Pod,
  PodCondition,
  PodStatus,
} from '../api/generated/types.ts';
import { tryParseQuantity } from '../api/quantity.ts';
import { rfc3339 } from '../lib/clock.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';

/** Why a container that should run does not, such as `CrashLoopBackOff`. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

/** Why the kubelet itself ends a pod. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
  /** It is no fault of the pod's: controllers that count failures do not count this one. */
  readonly isDisruption?: boolean;
}

/** All that the status of a pod is computed from. */
export interface PodObservation {
  readonly runtimeName: string;
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
  readonly sandboxReady: boolean;
  /** Of each container the runs that the runtime still knows, newest first. */
  readonly runs: ReadonlyMap<string, readonly ContainerStatus[]>;
  readonly waiting: ReadonlyMap<string, Waiting>;
  readonly health: ReadonlyMap<string, { readonly started: boolean; readonly ready: boolean }>;
  readonly terminationMessages: ReadonlyMap<string, string>;
  /** The pod is being ended: nothing of it is ready. */
  readonly terminating: boolean;
  /** Set when the kubelet itself ends the pod: `DeadlineExceeded`, `Evicted`, … */
  readonly failure?: PodFailure;
  readonly now: number;
}

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** The API's view of one container. */
function containerStatus(pod: Pod, container: Container, seen: PodObservation): ApiContainerStatus {
  const runs = seen.runs.get(container.name) ?? [];
  const current = runs[0];
  const waiting = seen.waiting.get(container.name);
  const health = seen.health.get(container.name);
  const running = current?.state === 'running';
  const previous = waiting !== undefined && current?.state === 'exited' ? current : runs[1];
  const message = (run: ContainerStatus): string => seen.terminationMessages.get(run.id) ?? run.message ?? '';
  const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (s) => s.name === container.name,
  );
  let state: ContainerState;
  if (running) state = { running: { startedAt: rfc3339(current.startedAt ?? current.createdAt) } };
  else if (waiting !== undefined || current === undefined || current.state === 'created') {
    const reason = waiting?.reason ?? (pod.spec?.initContainers?.length ? 'PodInitializing' : 'ContainerCreating');
    state = { waiting: { reason, ...(waiting?.message === undefined ? {} : { message: waiting.message }) } };
  } else state = { terminated: terminatedState(current, seen.runtimeName, message(current)) };
  const finishedInit =
    (pod.spec?.initContainers ?? []).includes(container) && !isSidecar(container) && current?.exitCode === 0;
  return {
    name: container.name,
    image: container.image ?? '',
    imageID: current?.imageRef ?? '',
    ...(current === undefined ? {} : { containerID: `${seen.runtimeName}://${current.id}` }),
    ready: (running && !seen.terminating && health?.ready === true) || (finishedInit && !running),
    started: running && health?.started === true,
    restartCount: Math.max(current?.config.attempt ?? 0, current === undefined ? (known?.restartCount ?? 0) : 0),
    state,
    lastState:
      previous?.state === 'exited'
        ? { terminated: terminatedState(previous, seen.runtimeName, message(previous)) }
        : current === undefined
          ? (known?.lastState ?? {})
          : {},
  };
}

function terminatedState(run: ContainerStatus, runtimeName: string, message: string): ContainerState['terminated'] {
  return {
    exitCode: run.exitCode ?? 137,
    ...(run.signal === undefined ? {} : { signal: run.signal }),
    reason: run.reason ?? (run.exitCode === 0 ? 'Completed' : 'Error'),
    ...(message === '' ? {} : { message }),
    startedAt: rfc3339(run.startedAt ?? run.createdAt),
    finishedAt: rfc3339(run.finishedAt ?? run.createdAt),
    containerID: `${runtimeName}://${run.id}`,
  };
}

/** `Running`, `Succeeded`, …, by Kubernetes' rules. */
function phaseOf(pod: Pod, seen: PodObservation): NonNullable<PodStatus['phase']> {
  const before = pod.status?.phase;
  if (before === 'Failed' || before === 'Succeeded') return before;
  if (seen.failure !== undefined) return 'Failed';
  const policy = pod.spec?.restartPolicy ?? 'Always';
  const exited = (c: Container): number | undefined => {
    const run = seen.runs.get(c.name)?.[0];
    return run?.state === 'exited' ? (run.exitCode ?? 137) : undefined;
  };
  for (const init of pod.spec?.initContainers ?? []) {
    if (isSidecar(init)) continue;
    const code = exited(init);
    if (code !== undefined && code !== 0 && policy === 'Never') return 'Failed';
    if (code !== 0 && !anyStarted(pod, seen)) return 'Pending';
  }
  const containers = pod.spec?.containers ?? [];
  const states = containers.map((c) => ({ run: seen.runs.get(c.name)?.[0], code: exited(c) }));
  if (states.some((s) => s.run === undefined || s.run.state === 'created')) {
    return states.some((s) => s.run?.state === 'running' || s.code !== undefined) ? 'Running' : 'Pending';
  }
  if (states.every((s) => s.code !== undefined)) {
    if (seen.terminating || policy === 'Never') return states.every((s) => s.code === 0) ? 'Succeeded' : 'Failed';
    if (policy === 'OnFailure' && states.every((s) => s.code === 0)) return 'Succeeded';
  }
  return 'Running';
}

function anyStarted(pod: Pod, seen: PodObservation): boolean {
  return (pod.spec?.containers ?? []).some((c) => (seen.runs.get(c.name) ?? []).length > 0);
}

export function qosClass(pod: Pod): NonNullable<PodStatus['qosClass']> {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  let any = false;
  let guaranteed = true;
  for (const c of containers) {
    for (const name of ['cpu', 'memory']) {
      const limit = tryParseQuantity(c.resources?.limits?.[name] ?? '0')?.toNumber() ?? 0;
      const request = tryParseQuantity(c.resources?.requests?.[name] ?? '0')?.toNumber() ?? 0;
      if (limit > 0 || request > 0) any = true;
      if (limit === 0 || limit !== request) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function names(containers: readonly Container[]): string {
  return `[${containers.map((c) => c.name).join(' ')}]`;
}

function conditions(
  pod: Pod,
  phase: string,
  seen: PodObservation,
  init: readonly ApiContainerStatus[],
  main: readonly ApiContainerStatus[],
): PodCondition[] {
  const spec = pod.spec;
  const wanted: PodCondition[] = [];
  const add = (type: string, ok: boolean, reason?: string, message?: string): void => {
    const why = ok
      ? {}
      : { ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
    wanted.push({ type, status: ok ? 'True' : 'False', ...why });
  };
  const started = anyStarted(pod, seen);
  const incomplete = (spec?.initContainers ?? []).filter((c, i) =>
    isSidecar(c) ? init[i]?.started !== true && !started : init[i]?.state?.terminated?.exitCode !== 0 && !started,
  );
  const unready = (spec?.containers ?? []).filter((_, i) => main[i]?.ready !== true);
  const unreadySidecars = (spec?.initContainers ?? []).filter((c, i) => isSidecar(c) && init[i]?.ready !== true);
  const done = phase === 'Succeeded' || phase === 'Failed';
  const notReady = [...unready, ...unreadySidecars];
  const containersReady = notReady.length === 0 && !done;
  const gates = (spec?.readinessGates ?? []).filter(
    (g) => pod.status?.conditions?.find((c) => c.type === g.conditionType)?.status !== 'True',
  );
  const why = done ? (phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed') : 'ContainersNotReady';
  const message = done ? undefined : `containers with unready status: ${names(notReady)}`;
  add('PodReadyToStartContainers', seen.sandboxReady);
  add(
    'Initialized',
    incomplete.length === 0,
    'ContainersNotInitialized',
    `containers with incomplete status: ${names(incomplete)}`,
  );
  if (containersReady && gates.length > 0) {
    add(
      'Ready',
      false,
      'ReadinessGatesNotReady',
      `corresponding condition of pod readiness gate "${gates[0]?.conditionType}" does not exist.`,
    );
  } else add('Ready', containersReady, why, message);
  add('ContainersReady', containersReady, why, message);
  add('PodScheduled', true);
  if (seen.failure?.isDisruption === true) {
    const { message: why } = seen.failure;
    wanted.push({ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: why });
  }
  return wanted.map((c) => {
    const known = pod.status?.conditions?.find((k) => k.type === c.type);
    const since = known?.status === c.status ? known.lastTransitionTime : undefined;
    return { ...c, lastTransitionTime: since ?? rfc3339(seen.now) };
  });
}

/** A pod as the API has it, with the status that its kubelet knows better: what others wrote there stays beside it. */
export function withOwnStatus(pod: Pod, own: PodStatus): Pod {
  const types = new Set(own.conditions?.map(({ type }) => type));
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !types.has(type));
  return { ...pod, status: { ...pod.status, ...own, conditions: [...(own.conditions ?? []), ...others] } };
}

/** The status that the kubelet reports. Pure. */
export function computePodStatus(pod: Pod, seen: PodObservation): PodStatus {
  const phase = phaseOf(pod, seen);
  const init = (pod.spec?.initContainers ?? []).map((c) => containerStatus(pod, c, seen));
  const main = (pod.spec?.containers ?? []).map((c) => containerStatus(pod, c, seen));
  return {
    phase,
    ...(seen.failure === undefined ? {} : { reason: seen.failure.reason, message: seen.failure.message }),
    conditions: conditions(pod, phase, seen, init, main),
    ...(seen.hostIPs.length === 0 ? {} : { hostIP: seen.hostIPs[0]!, hostIPs: seen.hostIPs.map((ip) => ({ ip })) }),
    ...(seen.podIPs.length === 0 ? {} : { podIP: seen.podIPs[0]!, podIPs: seen.podIPs.map((ip) => ({ ip })) }),
    startTime: pod.status?.startTime ?? rfc3339(seen.now),
    qosClass: qosClass(pod),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    containerStatuses: main,
  };
}
