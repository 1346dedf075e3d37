import type { Container } from '../../api/generated/types.ts';
import type { PodRuns } from '../pod-runs.ts';
import type { ActionTarget } from './probe-action.ts';
import { type Health, Prober } from './prober.ts';

export interface ProbeKeeperOptions {
  readonly target: (container: Container, containerId: string) => ActionTarget;
  /** Some container's health changed. */
  readonly changed: () => void;
  /** One attempt of a probe failed. */
  readonly failed: (container: Container, message: string) => void;
}

/** Runs the probes of a pod's running containers, and of no others. */
export class ProbeKeeper {
  readonly #options: ProbeKeeperOptions;
  readonly #probers = new Map<string, Prober>();
  #retired = false;

  constructor(options: ProbeKeeperOptions) {
    this.#options = options;
  }

  /** Starts probes for containers that run and ends those of others; `isHeld` names containers that are not to be probed yet. */
  tend(containers: readonly Container[], { runs }: PodRuns, isHeld: (containerId: string) => boolean): void {
    if (this.#retired) return;
    const running = new Map<string, Container>();
    for (const container of containers) {
      const run = runs.get(container.name)?.[0];
      if (run?.state === 'running') running.set(run.id, container);
    }
    for (const [id, prober] of this.#probers) {
      if (running.has(id)) continue;
      prober.stop();
      this.#probers.delete(id);
    }
    for (const [id, container] of running) {
      if (!this.#probers.has(id) && !isHeld(id)) this.#probers.set(id, this.#make(container, id));
    }
  }

  /** By container name. */
  healths({ runs }: PodRuns): Map<string, Health> {
    const result = new Map<string, Health>();
    for (const [name, [run]] of runs) {
      const prober = run === undefined ? undefined : this.#probers.get(run.id);
      if (prober !== undefined) result.set(name, prober.health);
    }
    return result;
  }

  /** Probes nothing from now on. What is known of each container's health stays known. */
  retire(): void {
    this.#retired = true;
    for (const prober of this.#probers.values()) prober.stop();
  }

  #make(container: Container, id: string): Prober {
    const { target, changed, failed } = this.#options;
    return new Prober(target(container, id), {
      changed,
      failed: (kind, output) => {
        const word = kind.charAt(0).toUpperCase() + kind.slice(1);
        failed(container, `${word} probe failed: ${output}`);
      },
    });
  }
}
