import type { Container, Pod } from '../api/generated/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { PodSandbox, Runtime } from '../runtime/runtime.ts';
import { type ContainerLifecycle, ContainerStartError } from './container-lifecycle.ts';
import type { PodAddresses } from './downward.ts';
import { containersOf } from './pod-config.ts';
import { type PodPlan, runsAgain } from './pod-plan.ts';
import type { PodRuns } from './pod-runs.ts';
import type { Waiting } from './pod-status.ts';
import type { ActionTarget } from './probes/probe-action.ts';
import type { RestartBackoff } from './restart-backoff.ts';
import type { PreparedVolume } from './volumes/volume-manager.ts';

export interface StarterDependencies {
  readonly runtime: Runtime;
  readonly lifecycle: ContainerLifecycle;
  readonly clock: Clock;
  readonly backoff: RestartBackoff;
  readonly target: (container: Container, containerId: string) => ActionTarget;
  readonly refresh: () => Promise<void>;
  /** Resolves when the container runs no more. */
  readonly exitOf: (containerId: string) => Promise<void>;
  /** Ends a container whose postStart hook failed. */
  readonly end: (container: Container, containerId: string, message: string) => Promise<void>;
  /** A postStart hook has ended. */
  readonly hookEnded: () => void;
  /** A warning about a container, for its events. */
  readonly tell: (container: Container, reason: string, message: string) => void;
}

/** Where containers are started: what may change in between is asked for each of them. */
export interface StartPlace {
  readonly pod: () => Pod;
  readonly see: () => PodRuns;
  readonly addresses: () => PodAddresses;
  readonly volumes: ReadonlyMap<string, PreparedVolume>;
  readonly signal: AbortSignal;
}

/** Starts the containers of one pod, and remembers why one could not be started. */
export class PodStarter {
  readonly #d: StarterDependencies;
  readonly #hooks = new Set<string>();
  readonly #failures = new Map<string, Waiting>();
  /** Of each container the run whose back-off was told. */
  readonly #backedOff = new Map<string, string>();

  constructor(dependencies: StarterDependencies) {
    this.#d = dependencies;
  }

  /** Why containers wait, by name: those that could not be started and will be tried again. */
  failures(pod: Pod, { runs }: PodRuns): ReadonlyMap<string, Waiting> {
    const waiting = new Map(this.#failures);
    for (const container of containersOf(pod)) {
      const run = runs.get(container.name)?.[0];
      if (run?.state === 'exited' && !runsAgain(pod, container, run.exitCode ?? 137)) waiting.delete(container.name);
    }
    return waiting;
  }

  /** True while a postStart hook runs: as in Kubernetes, no other container of the pod starts until then. */
  get isHooking(): boolean {
    return this.#hooks.size > 0;
  }

  /** True while the container's postStart hook runs: until then it is not probed. */
  isHooked(containerId: string): boolean {
    return this.#hooks.has(containerId);
  }

  /**
   * Starts one after the other, until a postStart hook runs, whose end wakes the worker, or `signal` aborts. `failed`: some could not be
   * started, and `failures` says why.
   */
  async startAll(steps: PodPlan['start'], where: StartPlace): Promise<'started' | 'failed' | 'held'> {
    let outcome: 'started' | 'failed' | 'held' = 'held';
    for (const step of steps) {
      const seen = where.see();
      if (seen.sandbox === undefined || where.signal.aborted || this.isHooking) return outcome;
      const started = await this.#start(step, seen, seen.sandbox, where);
      if (!started) outcome = 'failed';
      else if (outcome === 'held') outcome = 'started';
    }
    return outcome;
  }

  async #start(
    { container, attempt }: PodPlan['start'][number],
    { runs }: PodRuns,
    sandbox: PodSandbox,
    { pod: podNow, addresses, volumes, signal }: StartPlace,
  ): Promise<boolean> {
    const { runtime, lifecycle, backoff, clock, refresh } = this.#d;
    const pod = podNow();
    try {
      const before = runs.get(container.name)?.[0];
      if (before?.state === 'created') await runtime.removeContainer(before.id);
      // It counts whatever comes of it: what cannot be started must not be tried without end.
      if (before?.state === 'exited') backoff.restarting(container, before.finishedAt ?? before.createdAt, clock.now());
      const id = await lifecycle.start(pod, container, attempt, sandbox, volumes, addresses(), signal);
      this.#failures.delete(container.name);
      await refresh();
      this.#runHook(pod, container, id, signal);
      return true;
    } catch (error) {
      if (!signal.aborted) {
        const reason = error instanceof ContainerStartError ? error.reason : 'CreateContainerError';
        const message = error instanceof Error ? error.message : String(error);
        this.#failures.set(container.name, { reason, message });
        this.#d.tell(container, 'Failed', `Error: ${message}`);
      }
      await refresh();
      return false;
    }
  }

  /** One event for each run that is waited after. */
  tellOfBackOff(
    pod: Pod,
    containers: readonly Container[],
    { runs }: PodRuns,
    waiting: ReadonlyMap<string, Waiting>,
  ): void {
    for (const container of containers) {
      const run = runs.get(container.name)?.[0];
      if (waiting.get(container.name)?.reason !== 'CrashLoopBackOff' || run === undefined) continue;
      if (this.#backedOff.get(container.name) === run.id) continue;
      this.#backedOff.set(container.name, run.id);
      const { name, namespace, uid } = pod.metadata;
      const what = `${container.name} in pod ${name}_${namespace}(${uid})`;
      this.#d.tell(container, 'BackOff', `Back-off restarting failed container ${what}`);
    }
  }

  #runHook(pod: Pod, container: Container, id: string, signal: AbortSignal): void {
    if (container.lifecycle?.postStart === undefined) return;
    const { lifecycle, target, exitOf, end, hookEnded } = this.#d;
    const exited = new AbortController();
    void exitOf(id).then(() => exited.abort());
    this.#hooks.add(id);
    void lifecycle
      .postStart(pod, target(container, id), AbortSignal.any([signal, exited.signal]))
      .then((ok) => (ok ? undefined : end(container, id, 'FailedPostStartHook')))
      .catch(() => undefined)
      .then(() => {
        this.#hooks.delete(id);
        hookEnded();
      });
  }
}
