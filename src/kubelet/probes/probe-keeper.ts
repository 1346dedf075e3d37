import type { Container, Pod } from '../../api/generated/types.ts';
import type { ContainerStatus } from '../../runtime/runtime.ts';
import type { PodRuns } from '../pod-runs.ts';
import type { ActionTarget } from './probe-action.ts';
import { type Health, type ProbedRun, Prober } from './prober.ts';

export interface ProbeKeeperOptions {
  readonly target: (container: Container, containerId: string) => ActionTarget;
  readonly run: (container: Container, run: ContainerStatus) => ProbedRun;
  /** Some container's health changed. */
  readonly changed: () => void;
  /** One attempt of a probe failed. */
  readonly failed: (container: Container, message: string) => void;
}

/** What is known of a run from the pod's status: after a restart of the kubelet that holds until a probe says otherwise (KEP-4781). */
export function probedRun(pod: Pod, container: Container, run: ContainerStatus, now: number): ProbedRun {
  const all = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const before = all.find(({ name, containerID }) => name === container.name && containerID?.endsWith(`://${run.id}`));
  return {
    ageMs: now - (run.startedAt ?? run.createdAt),
    before: before === undefined ? undefined : { started: before.started === true, ready: before.ready },
  };
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
    const running = new Map<string, { readonly container: Container; readonly run: ContainerStatus }>();
    for (const container of containers) {
      const run = runs.get(container.name)?.[0];
      if (run?.state === 'running') running.set(run.id, { container, run });
    }
    for (const [id, prober] of this.#probers) {
      if (running.has(id)) continue;
      prober.stop();
      this.#probers.delete(id);
    }
    for (const [id, { container, run }] of running) {
      if (!this.#probers.has(id) && !isHeld(id)) this.#probers.set(id, this.#make(container, run));
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

  #make(container: Container, run: ContainerStatus): Prober {
    const { target, run: about, changed, failed } = this.#options;
    return new Prober(target(container, run.id), about(container, run), {
      changed,
      failed: (kind, output) => {
        const word = kind.charAt(0).toUpperCase() + kind.slice(1);
        failed(container, `${word} probe failed: ${output}`);
      },
    });
  }
}
