import type { Container } from '../api/generated/types.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ContainerLifecycle } from './container-lifecycle.ts';
import type { PodRuns } from './pod-runs.ts';

/** Of each container the newest run is kept, and the one before it for `logs --previous`. */
const KEPT_RUNS = 2;

/** What the containers of one pod left behind when they ended. */
export class PodHistory {
  readonly #lifecycle: ContainerLifecycle;
  readonly #runtime: Runtime;
  readonly #messages = new Map<string, string>();

  constructor(lifecycle: ContainerLifecycle, runtime: Runtime) {
    this.#lifecycle = lifecycle;
    this.#runtime = runtime;
  }

  /** Termination messages by the ids of runs. */
  get messages(): ReadonlyMap<string, string> {
    return this.#messages;
  }

  /** Reads the messages of runs that have ended since. */
  async read(containers: readonly Container[], { runs }: PodRuns): Promise<void> {
    for (const container of containers) {
      for (const run of runs.get(container.name) ?? []) {
        if (run.state !== 'exited' || this.#messages.has(run.id)) continue;
        this.#messages.set(run.id, await this.#lifecycle.terminationMessage(container, run));
      }
    }
  }

  /** Removes runs that nobody can ask for any more, with their logs, and sandboxes of which no run is left. True when something went. */
  async prune({ runs, oldSandboxes }: PodRuns): Promise<boolean> {
    const all = [...runs.values()];
    const old = all.flatMap((list) => list.slice(KEPT_RUNS)).filter(({ state }) => state === 'exited');
    for (const run of old) {
      await this.#runtime.removeContainer(run.id);
      await this.#lifecycle.forget(run);
      this.#messages.delete(run.id);
    }
    const inUse = new Set(all.flatMap((list) => list.slice(0, KEPT_RUNS)).map(({ sandboxId }) => sandboxId));
    const empty = oldSandboxes.filter(({ id, state }) => state === 'not-ready' && !inUse.has(id));
    for (const { id } of empty) await this.#runtime.removePodSandbox(id);
    return old.length + empty.length > 0;
  }
}
