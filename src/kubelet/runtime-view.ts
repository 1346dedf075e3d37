import type { ContainerStatus, PodSandbox, Runtime } from '../runtime/runtime.ts';

/** What the runtime has, as last listed; kept fresh by its events. */
export class RuntimeView {
  readonly #runtime: Runtime;
  #sandboxes: readonly PodSandbox[] = [];
  #containers: readonly ContainerStatus[] = [];
  #refreshing: Promise<void> | undefined;
  #again: Promise<void> | undefined;

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

  async #list(): Promise<void> {
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandboxes(),
      this.#runtime.listContainers(),
    ]);
    this.#sandboxes = sandboxes;
    this.#containers = containers;
  }
}
