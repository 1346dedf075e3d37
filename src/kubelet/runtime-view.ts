import { backoff, sleep } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { ContainerStatus, PodSandbox, Runtime } from '../runtime/runtime.ts';

/** A runtime that does not answer is asked again after this time, doubled up to the maximum. */
const RETRY_MS = 100;
const RETRY_MAX_MS = 5_000;

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

  /** The same as soon as the runtime can be asked, or until `signal` aborts. Answers whether it had to be waited for. */
  async refreshUntil(signal: AbortSignal, log: Log): Promise<boolean> {
    for (let failures = 0; ; failures++) {
      try {
        await this.refresh();
        return failures > 0;
      } catch (error) {
        if (signal.aborted) return true;
        log.warn('the container runtime does not answer: the kubelet waits for it', { error: String(error) });
        await sleep(backoff(failures, RETRY_MS, RETRY_MAX_MS), signal);
      }
    }
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
