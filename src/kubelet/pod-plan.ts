import type { Container, Pod } from '../api/generated/types.ts';
import type { ContainerStatus, PodSandbox } from '../runtime/runtime.ts';
import { CONTAINER_HASH_ANNOTATION, containerHash } from './pod-config.ts';
import { isSidecar, type Waiting } from './pod-status.ts';
import type { Health } from './probes/prober.ts';
import type { RestartBackoff } from './restart-backoff.ts';

export interface PlanInputs {
  readonly sandbox: PodSandbox | undefined;
  /** Of each container the runs that the runtime still knows, newest first. */
  readonly runs: ReadonlyMap<string, readonly ContainerStatus[]>;
  readonly health: ReadonlyMap<string, Health>;
  readonly backoff: RestartBackoff;
  readonly now: number;
}

export interface Kill {
  readonly run: ContainerStatus;
  readonly container: Container;
  readonly message: string;
  readonly graceSeconds?: number;
}

/** What to do next for a pod that shall run. */
export interface PodPlan {
  /** `create`: the sandbox is missing or dead, and something has still to run in it. */
  readonly sandbox: 'keep' | 'create';
  readonly start: readonly { readonly container: Container; readonly attempt: number }[];
  readonly kill: readonly Kill[];
  readonly waiting: ReadonlyMap<string, Waiting>;
  /** Look again after so many milliseconds at the latest. */
  readonly again: number | undefined;
}

interface Draft {
  start: { container: Container; attempt: number }[];
  kill: Kill[];
  waiting: Map<string, Waiting>;
  again: number | undefined;
}

/** Whether a container that has exited runs again by the pod's policy. */
function restarts(policy: string, container: Container, exitCode: number): boolean {
  if (isSidecar(container) || policy === 'Always') return true;
  return policy === 'OnFailure' && exitCode !== 0;
}

/** The same for any container of a pod: an init container that has succeeded does not run again. */
export function runsAgain(pod: Pod, container: Container, exitCode: number): boolean {
  const policy = pod.spec?.restartPolicy ?? 'Always';
  return restarts(isInit(pod, container) && policy === 'Always' ? 'OnFailure' : policy, container, exitCode);
}

function isInit(pod: Pod, container: Container): boolean {
  return (pod.spec?.initContainers ?? []).some(({ name }) => name === container.name);
}

/** Decides the next steps of a pod from what is seen of it. Pure. */
export function planPod(pod: Pod, inputs: PlanInputs): PodPlan {
  const policy = pod.spec?.restartPolicy ?? 'Always';
  const containers = pod.spec?.containers ?? [];
  const draft: Draft = { start: [], kill: [], waiting: new Map(), again: undefined };
  const live = inputs.sandbox?.state === 'ready' ? inputs.sandbox.id : undefined;
  if (live === undefined) {
    const pending = containers.some((c) => {
      const run = inputs.runs.get(c.name)?.[0];
      return run === undefined || run.state !== 'exited' || restarts(policy, c, run.exitCode ?? 137);
    });
    return { ...draft, sandbox: pending ? 'create' : 'keep' };
  }
  const inSandbox = (c: Container): ContainerStatus | undefined => {
    const run = inputs.runs.get(c.name)?.[0];
    return run?.sandboxId === live ? run : undefined;
  };
  const mainStarted = containers.some((c) => inSandbox(c) !== undefined);
  const initialised = planInit(pod, policy, inputs, inSandbox, mainStarted, draft);
  if (initialised) {
    for (const container of containers) planContainer(pod, policy, container, inputs, inSandbox(container), draft);
  }
  return { ...draft, sandbox: 'keep' };
}

/** Init containers one after the other; sidecars go on beside. Returns true when the main containers may run. */
function planInit(
  pod: Pod,
  policy: string,
  inputs: PlanInputs,
  inSandbox: (c: Container) => ContainerStatus | undefined,
  mainStarted: boolean,
  draft: Draft,
): boolean {
  for (const container of pod.spec?.initContainers ?? []) {
    const run = inSandbox(container);
    if (isSidecar(container)) {
      planContainer(pod, policy, container, inputs, run, draft);
      if (!mainStarted && inputs.health.get(container.name)?.started !== true) return false;
      continue;
    }
    if (mainStarted || (run?.state === 'exited' && run.exitCode === 0)) continue;
    if (run?.state === 'exited' && policy === 'Never') return false;
    if (run === undefined) {
      // Also one that has succeeded already: what it prepared went with the sandbox before.
      planStart(pod, container, inputs, draft);
      return false;
    }
    planContainer(pod, policy === 'Never' ? 'Never' : 'OnFailure', container, inputs, run, draft);
    return false;
  }
  return true;
}

function planContainer(
  pod: Pod,
  policy: string,
  container: Container,
  inputs: PlanInputs,
  run: ContainerStatus | undefined,
  draft: Draft,
): void {
  const newest = inputs.runs.get(container.name)?.[0];
  if (run === undefined) {
    const ended = newest?.state === 'exited';
    if (ended && !restarts(policy, container, newest.exitCode ?? 137)) return;
    planStart(pod, container, inputs, draft);
    return;
  }
  switch (run.state) {
    case 'running': {
      const unhealthy = inputs.health.get(container.name)?.unhealthy;
      if (unhealthy !== undefined) {
        const word = unhealthy.kind === 'startup' ? 'startup' : 'liveness';
        draft.kill.push({
          run,
          container,
          message: `Container ${container.name} failed ${word} probe, will be restarted`,
          ...(unhealthy.graceSeconds === undefined ? {} : { graceSeconds: unhealthy.graceSeconds }),
        });
      } else if (run.config.annotations[CONTAINER_HASH_ANNOTATION] !== containerHash(container)) {
        draft.kill.push({
          run,
          container,
          message: `Container ${container.name} definition changed, will be restarted`,
        });
      }
      return;
    }
    case 'created':
      // Between create and start nothing else runs for this pod: a run left in that state was cut off there.
      draft.start.push({ container, attempt: run.config.attempt });
      return;
    case 'unknown':
      draft.kill.push({ run, container, message: `Container ${container.name} is in an unknown state` });
      return;
    case 'exited':
      if (restarts(policy, container, run.exitCode ?? 137)) planStart(pod, container, inputs, draft);
      return;
  }
}

/** Starts a container after the run that it had before, if any, also one in a sandbox that is gone: but not before its back-off is over. */
function planStart(pod: Pod, container: Container, inputs: PlanInputs, draft: Draft): void {
  const before = inputs.runs.get(container.name)?.[0];
  const wait =
    before?.state === 'exited'
      ? inputs.backoff.remaining(container, before.finishedAt ?? before.createdAt, inputs.now)
      : 0;
  if (wait <= 0) {
    draft.start.push({ container, attempt: before === undefined ? 0 : before.config.attempt + 1 });
    return;
  }
  const seconds = formatSeconds(inputs.backoff.delay(container) / 1000);
  const { name, namespace, uid } = pod.metadata;
  draft.waiting.set(container.name, {
    reason: 'CrashLoopBackOff',
    message: `back-off ${seconds} restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`,
  });
  draft.again = Math.min(draft.again ?? Number.POSITIVE_INFINITY, wait);
}

/** As Go prints a duration: `10s`, `2m40s`. */
function formatSeconds(seconds: number): string {
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
