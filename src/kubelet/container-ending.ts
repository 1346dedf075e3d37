import type { Container, Pod } from '../api/generated/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { ContainerStatus, Runtime } from '../runtime/runtime.ts';
import type { ContainerLifecycle } from './container-lifecycle.ts';
import type { Kill } from './pod-plan.ts';
import type { PodRuns } from './pod-runs.ts';
import { isSidecar } from './pod-status.ts';
import type { ActionTarget } from './probes/probe-action.ts';

export interface EndingDependencies {
  readonly runtime: Runtime;
  readonly lifecycle: ContainerLifecycle;
  readonly clock: Clock;
  readonly log: Log;
  readonly see: () => PodRuns;
  readonly target: (container: Container, containerId: string) => ActionTarget;
  /** Resolves when the container runs no more. */
  readonly exitOf: (containerId: string) => Promise<void>;
  /** A container has ended. */
  readonly ended: () => Promise<void>;
}

/** Ends the containers of one pod: each once, and sooner when it is asked again with a shorter grace period. */
export class ContainerEnding {
  readonly #d: EndingDependencies;
  readonly #underWay = new Map<string, { readonly done: Promise<void>; deadline: number }>();

  constructor(dependencies: EndingDependencies) {
    this.#d = dependencies;
  }

  /** Resolves when the container has ended. Never rejects. */
  kill(pod: Pod, kill: Kill, graceSeconds: number): Promise<void> {
    const { run } = kill;
    const deadline = this.#d.clock.now() + graceSeconds * 1000;
    const known = this.#underWay.get(run.id);
    if (known !== undefined) {
      if (deadline >= known.deadline) return known.done;
      known.deadline = deadline;
      return this.#hurry(run, graceSeconds);
    }
    const done = this.#end(pod, kill, graceSeconds).finally(() => {
      this.#underWay.delete(run.id);
    });
    this.#underWay.set(run.id, { done, deadline });
    return done;
  }

  async #end(pod: Pod, { run, container, message }: Kill, graceSeconds: number): Promise<void> {
    const { lifecycle, target, exitOf, ended, log } = this.#d;
    // A hook must not keep a container that has ended, be it by itself or because the grace period was shortened.
    const exited = new AbortController();
    void exitOf(run.id).then(() => exited.abort());
    try {
      const how = { graceSeconds, message, ended: exited.signal };
      await lifecycle.stop(pod, run, target(container, run.id), how);
    } catch (error) {
      log.warn('a container was not stopped', { error: String(error) });
    }
    await ended();
  }

  /** Main containers first and together, then the sidecars, the last one first; `why` follows in the events' message. */
  async all(pod: Pod, graceSeconds: number, why = ''): Promise<void> {
    const { clock, see } = this.#d;
    const started = clock.now();
    const { runs } = see();
    const live = (container: Container): Kill[] => {
      const run = runs.get(container.name)?.[0];
      return run?.state === 'running' || run?.state === 'unknown'
        ? [{ run, container, message: `Stopping container ${container.name}${why}` }]
        : [];
    };
    const inits = pod.spec?.initContainers ?? [];
    const main = [...(pod.spec?.containers ?? []), ...inits.filter((c) => !isSidecar(c))];
    await Promise.all(main.flatMap(live).map((kill) => this.kill(pod, kill, graceSeconds)));
    for (const sidecar of inits.filter(isSidecar).reverse()) {
      // What the others took is gone, but each is asked to end before it is killed.
      const left = Math.max(Math.min(1, graceSeconds), graceSeconds - (clock.now() - started) / 1000);
      for (const kill of live(sidecar)) await this.kill(pod, kill, left);
    }
  }

  /** The same, but `told` is asked again each time that `nextWake` resolves: a grace period that is shorter by then counts. */
  async allAsTold(
    told: () => readonly [pod: Pod, graceSeconds: number],
    nextWake: () => Promise<void>,
    why: string,
  ): Promise<void> {
    let hasEnded = false;
    const ended = this.all(...told(), why).then(() => {
      hasEnded = true;
    });
    while (!hasEnded) {
      await Promise.race([ended, nextWake()]);
      if (!hasEnded) void this.all(...told(), why);
    }
  }

  /** A shorter grace period counts at once; the stop that runs already ends with this one. */
  #hurry(run: ContainerStatus, graceSeconds: number): Promise<void> {
    return this.#d.runtime
      .stopContainer(run.id, graceSeconds)
      .catch((error: unknown) => this.#d.log.warn('a container was not stopped', { error: String(error) }));
  }
}
