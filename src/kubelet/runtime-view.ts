import type { ContainerStatus, PodSandbox, Runtime } from '../runtime/runtime.ts';

/** What the runtime has, as last listed; kept fresh by its events. */
export class RuntimeView {
  readonly #runtime: Runtime;
  #sandboxes: readonly PodSandbox[] = [];
  #containers: readonly ContainerStatus[] = [];
  #refreshing: Promise<void> | undefined;
  #again: Promise<void> | undefined;
  readonly #exits = new Map<string, PromiseWithResolvers<void>>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Resolves when a listing that began after this call is in place; calls that wait share one. */
  refresh(): Promise<void> {
    if (this.#refreshing === undefined) {
      this.#refreshing = this.#list().finally(() => {
        this.#refreshing = undefined;
      });
      return this.#refreshing;
    }
    this.#again ??= this.#refreshing
      .catch(() => undefined)
      .then(() => {
        this.#again = undefined;
        return this.refresh();
      });
    return this.#again;
  }

  /** The sandboxes and containers of one pod. */
  ofPod(podUid: string): {
    readonly sandboxes: readonly PodSandbox[];
    readonly containers: readonly ContainerStatus[];
  } {
    const sandboxes = this.#sandboxes.filter((s) => s.config.podUid === podUid);
    const ids = new Set(sandboxes.map((s) => s.id));
    return { sandboxes, containers: this.#containers.filter((c) => ids.has(c.sandboxId)) };
  }

  get sandboxes(): readonly PodSandbox[] {
    return this.#sandboxes;
  }

  /** Resolves when a listing shows that the container runs no more. */
  exitOf(containerId: string): Promise<void> {
    let exit = this.#exits.get(containerId);
    if (exit === undefined) {
      exit = Promise.withResolvers<void>();
      this.#exits.set(containerId, exit);
      this.#settleExits();
    }
    return exit.promise;
  }

  #settleExits(): void {
    if (this.#exits.size === 0) return;
    const live = new Set(this.#containers.filter((c) => c.state !== 'exited').map((c) => c.id));
    for (const [id, exit] of this.#exits) {
      if (live.has(id)) continue;
      this.#exits.delete(id);
      exit.resolve();
    }
  }

  async #list(): Promise<void> {
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandboxes(),
      this.#runtime.listContainers(),
    ]);
    this.#sandboxes = sandboxes;
    this.#containers = containers;
    this.#settleExits();
  }
}
