import type { Container, Pod } from '../api/generated/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { PodSandbox, Runtime } from '../runtime/runtime.ts';
import { type ContainerLifecycle, ContainerStartError } from './container-lifecycle.ts';
import type { PodAddresses } from './downward.ts';
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
  /** A postStart hook has ended. */
  readonly hookEnded: () => void;
  /** A warning about a container, for its events. */
  readonly tell: (container: Container, reason: string, message: string) => void;
}

/** Starts the containers of one pod, and remembers why one could not be started. */
export class PodStarter {
  readonly #d: StarterDependencies;
  readonly #hooks = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, Waiting>();
  /** Of each container the run whose back-off was told. */
  readonly #backedOff = new Map<string, string>();

  constructor(dependencies: StarterDependencies) {
    this.#d = dependencies;
  }

  /** By container name. */
  get failures(): ReadonlyMap<string, Waiting> {
    return this.#failures;
  }

  /** True while the container's postStart hook runs: until then it is not probed. */
  isHooked(containerId: string): boolean {
    return this.#hooks.has(containerId);
  }

  /** True when the container was started; false when that failed, and `failures` says why. Throws when `signal` aborted. */
  async start(
    pod: Pod,
    { container, attempt }: { readonly container: Container; readonly attempt: number },
    { runs }: PodRuns,
    where: {
      readonly sandbox: PodSandbox;
      readonly volumes: ReadonlyMap<string, PreparedVolume>;
      readonly addresses: PodAddresses;
      readonly graceSeconds: number;
    },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { runtime, lifecycle, backoff, clock, refresh } = this.#d;
    const { sandbox, volumes, addresses } = where;
    try {
      const cutOff = runs.get(container.name)?.[0];
      if (cutOff?.state === 'created') await runtime.removeContainer(cutOff.id);
      const id = await lifecycle.start(pod, container, attempt, sandbox, volumes, addresses, signal);
      this.#failures.delete(container.name);
      if (attempt > 0) backoff.restarted(container.name, clock.now());
      await refresh();
      this.#runHook(pod, container, id, where.graceSeconds);
      return true;
    } catch (error) {
      if (signal.aborted) throw error;
      const reason = error instanceof ContainerStartError ? error.reason : 'CreateContainerError';
      const message = error instanceof Error ? error.message : String(error);
      this.#failures.set(container.name, { reason, message });
      this.#d.tell(container, 'Failed', `Error: ${message}`);
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

  #runHook(pod: Pod, container: Container, id: string, graceSeconds: number): void {
    if (container.lifecycle?.postStart === undefined) return;
    const { lifecycle, runtime, target, hookEnded } = this.#d;
    const done = lifecycle.postStart(pod, target(container, id)).then(async (ok) => {
      if (!ok) await runtime.stopContainer(id, graceSeconds);
    });
    const settled = done
      .catch(() => undefined)
      .then(() => {
        this.#hooks.delete(id);
        hookEnded();
      });
    this.#hooks.set(id, settled);
  }
}
