import type { Container, Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { PODS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { ContainerStatus, PodSandbox, Runtime } from '../runtime/runtime.ts';
import { type ContainerLifecycle, ContainerStartError } from './container-lifecycle.ts';
import type { PodAddresses } from './downward.ts';
import { sandboxConfig } from './pod-config.ts';
import { type Kill, type PodPlan, planPod } from './pod-plan.ts';
import { computePodStatus, isSidecar, type PodObservation, type Waiting } from './pod-status.ts';
import type { ActionTarget } from './probes/probe-action.ts';
import { type Health, Prober } from './probes/prober.ts';
import { RestartBackoff } from './restart-backoff.ts';
import { StatusWriter } from './status-writer.ts';
import type { PreparedVolume, VolumeManager } from './volumes/volume-manager.ts';

/** How often the contents of volumes are made fresh. */
const VOLUME_REFRESH_MS = 60_000;
/** A step that failed is tried again after this time, doubled up to the maximum. */
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;
/** `terminationGracePeriodSeconds` default of `core/v1 PodSpec`. */
const DEFAULT_GRACE_SECONDS = 30;

export interface PodWorkerDependencies {
  readonly client: RestClient;
  readonly runtime: Runtime;
  readonly volumes: VolumeManager;
  readonly lifecycle: ContainerLifecycle;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  readonly logsDirectory: string;
  readonly hostIPs: readonly string[];
  readonly trustedCa: () => string | Buffer;
  /** What the runtime has of this pod now, newest first. */
  readonly observe: () => {
    readonly sandboxes: readonly PodSandbox[];
    readonly containers: readonly ContainerStatus[];
  };
  /** Makes `observe` see what the worker has just changed. */
  readonly refresh: () => Promise<void>;
  readonly removePodLogs: (pod: Pod) => Promise<void>;
  /** Fields that cannot be honoured: such a pod is not run. */
  readonly unsupported: (pod: Pod) => readonly string[];
  /** The pod is gone: from the runtime, the disk and the API. */
  readonly finished: () => void;
}

/**
 * Brings one pod to what its spec says: one step at a time, each decided anew from what the runtime shows, so that a restart
 * of the kubelet at any moment goes on where it was.
 */
export class PodWorker {
  readonly #d: PodWorkerDependencies;
  readonly #abort = new AbortController();
  readonly #status: StatusWriter;
  readonly #backoff = new RestartBackoff();
  readonly #probers = new Map<string, Prober>();
  readonly #hooks = new Map<string, Promise<void>>();
  readonly #kills = new Map<string, { readonly done: Promise<void>; deadline: number }>();
  readonly #failures = new Map<string, Waiting>();
  readonly #messages = new Map<string, string>();
  #pod: Pod;
  #removed = false;
  #failure: PodObservation['failure'];
  #dirty = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;
  #volumes: ReadonlyMap<string, PreparedVolume> | undefined;
  #volumesAt = 0;
  #stopped = false;

  constructor(pod: Pod, dependencies: PodWorkerDependencies) {
    this.#pod = pod;
    this.#d = dependencies;
    this.#status = new StatusWriter(dependencies.client, pod, dependencies.log, this.#abort.signal);
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** The pod as the API has it now. */
  update(pod: Pod): void {
    // A phase that ended here counts at once, also before the API shows it.
    const known = this.#pod.status?.phase;
    const ended = known === 'Failed' || known === 'Succeeded';
    this.#pod = ended ? { ...pod, status: { ...pod.status, phase: known } } : pod;
    this.wake();
  }

  /** The pod is gone from the API without asking its kubelet. */
  removed(): void {
    this.#removed = true;
    this.wake();
  }

  /** Something changed: look again. */
  wake(): void {
    if (this.#stopped) return;
    this.#dirty = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Ends the worker without touching its containers. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#abort.abort();
    clearTimeout(this.#timer);
    for (const prober of this.#probers.values()) prober.stop();
    await this.#running;
  }

  /**
   * Ends the pod's containers with the node: they start again with it, where their policy says so. When `hurry` aborts, what is
   * left of the grace period is over.
   */
  async shutdown(hurry: AbortSignal): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    const message = 'Stopping container: the node shuts down';
    const cutShort = (): void => void this.#endContainers(message, 0);
    hurry.addEventListener('abort', cutShort, { once: true });
    await this.#endContainers(message, hurry.aborted ? 0 : this.#grace());
    hurry.removeEventListener('abort', cutShort);
    for (const sandbox of this.#d.observe().sandboxes) await this.#d.runtime.stopPodSandbox(sandbox.id);
    await this.#d.refresh();
    this.#report(new Map());
    await this.#status.flush();
    await this.stop();
  }

  async #run(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      clearTimeout(this.#timer);
      try {
        const again = await this.#sync();
        this.#attempts = 0;
        if (again !== undefined) this.#wakeAfter(again);
      } catch (error) {
        if (this.#stopped) return;
        this.#d.log.warn('a pod could not be brought forward', { pod: this.#pod.metadata.name, error: String(error) });
        this.#wakeAfter(backoff(this.#attempts++, RETRY_BASE_MS, RETRY_MAX_MS));
      }
    }
  }

  #wakeAfter(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.wake(), Math.max(1, ms));
  }

  async #sync(): Promise<number | undefined> {
    if (this.#removed || this.#pod.metadata.deletionTimestamp !== undefined) {
      await this.#terminate();
      return undefined;
    }
    this.#checkAdmission();
    const deadlineLeft = this.#checkDeadline();
    const phase = computePodStatus(this.#pod, this.#observation(new Map())).phase;
    if (phase === 'Failed' || phase === 'Succeeded') {
      await this.#finish();
      return undefined;
    }
    this.#tendProbers();
    const plan = this.#plan();
    if (plan.sandbox === 'create') return this.#createSandbox();
    for (const kill of plan.kill) void this.#kill(kill);
    const retry = await this.#start(plan);
    this.#report(plan.waiting);
    await this.#pruneRuns();
    const refresh = await this.#refreshVolumes();
    return earliest(plan.again, deadlineLeft, retry, refresh);
  }

  #plan(): PodPlan {
    const { runs, sandbox } = this.#see();
    return planPod(this.#pod, {
      sandbox,
      runs,
      health: this.#healths(runs),
      backoff: this.#backoff,
      now: this.#d.clock.now(),
    });
  }

  #checkAdmission(): void {
    const fields = this.#d.unsupported(this.#pod);
    if (fields.length === 0 || this.#failure !== undefined) return;
    const message = `Pod was rejected: this node cannot honour ${fields.join(', ')}`;
    this.#failure = { reason: 'UnsupportedPodField', message };
    this.#event('Warning', 'UnsupportedPodField', message);
  }

  #checkDeadline(): number | undefined {
    const limit = this.#pod.spec?.activeDeadlineSeconds;
    const started = this.#pod.status?.startTime;
    if (limit === undefined || started === undefined || this.#failure !== undefined) return undefined;
    const left = Date.parse(started) + limit * 1000 - this.#d.clock.now();
    if (left > 0) return left;
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#failure = { reason: 'DeadlineExceeded', message };
    this.#event('Normal', 'DeadlineExceeded', message);
    return undefined;
  }

  async #createSandbox(): Promise<number | undefined> {
    const { runtime } = this.#d;
    this.#report(new Map());
    await this.#endContainers('Stopping container: its sandbox is made anew', this.#grace());
    const old = this.#d.observe().sandboxes;
    for (const sandbox of old) await runtime.stopPodSandbox(sandbox.id);
    try {
      this.#volumes = await this.#d.volumes.prepare(this.#pod, () => this.#addresses(), this.#abort.signal);
      this.#volumesAt = this.#d.clock.now();
    } catch (error) {
      return this.#failed('FailedMount', error);
    }
    try {
      const attempt = Math.max(-1, ...old.map((s) => s.config.attempt)) + 1;
      await runtime.runPodSandbox(sandboxConfig(this.#pod, attempt, this.#d.logsDirectory), this.#abort.signal);
    } catch (error) {
      return this.#failed('FailedCreatePodSandBox', error, 'Failed to create pod sandbox: ');
    }
    this.#attempts = 0;
    await this.#d.refresh();
    this.#dirty = true;
    return undefined;
  }

  #failed(reason: string, error: unknown, prefix = ''): number {
    if (this.#abort.signal.aborted) throw error;
    this.#event('Warning', reason, prefix + (error instanceof Error ? error.message : String(error)));
    return backoff(this.#attempts++, RETRY_BASE_MS, RETRY_MAX_MS);
  }

  /** Starts what the plan says; answers when to try again what failed. */
  async #start(plan: PodPlan): Promise<number | undefined> {
    let retry: number | undefined;
    for (const { container, attempt } of plan.start) {
      const { sandbox, runs } = this.#see();
      if (sandbox === undefined || this.#hasEnded()) return undefined;
      try {
        this.#volumes ??= await this.#d.volumes.prepare(this.#pod, () => this.#addresses(), this.#abort.signal);
      } catch (error) {
        return this.#failed('FailedMount', error);
      }
      try {
        const cutOff = runs.get(container.name)?.[0];
        if (cutOff?.state === 'created') await this.#d.runtime.removeContainer(cutOff.id);
        const id = await this.#d.lifecycle.start(
          this.#pod,
          container,
          attempt,
          sandbox,
          this.#volumes,
          this.#addresses(),
          this.#abort.signal,
        );
        this.#failures.delete(container.name);
        if (attempt > 0) this.#backoff.restarted(container.name, this.#d.clock.now());
        await this.#d.refresh();
        this.#startHook(container, id);
      } catch (error) {
        if (this.#abort.signal.aborted) throw error;
        const reason = error instanceof ContainerStartError ? error.reason : 'CreateContainerError';
        const message = error instanceof Error ? error.message : String(error);
        this.#failures.set(container.name, { reason, message });
        this.#event('Warning', 'Failed', `Error: ${message}`, container);
        await this.#d.refresh();
        retry = backoff(this.#attempts++, RETRY_BASE_MS * 4, RETRY_MAX_MS);
      }
    }
    if (plan.start.length > 0) this.#tendProbers();
    return retry;
  }

  #startHook(container: Container, id: string): void {
    if (container.lifecycle?.postStart === undefined) return;
    const target = this.#target(container, id);
    const done = this.#d.lifecycle.postStart(this.#pod, target).then(async (ok) => {
      if (!ok) await this.#d.runtime.stopContainer(id, this.#grace());
    });
    this.#hooks.set(
      id,
      done
        .catch(() => undefined)
        .then(() => {
          this.#hooks.delete(id);
          this.wake();
        }),
    );
  }

  #kill({ run, container, message, graceSeconds }: Kill): Promise<void> {
    const grace = graceSeconds ?? this.#grace();
    const deadline = this.#d.clock.now() + grace * 1000;
    const known = this.#kills.get(run.id);
    if (known !== undefined) {
      if (deadline >= known.deadline) return known.done;
      // A shorter grace period counts at once: the stop that runs already ends with this one.
      known.deadline = deadline;
      return this.#d.runtime.stopContainer(run.id, grace);
    }
    const target = this.#target(container, run.id);
    const done = this.#d.lifecycle
      .stop(this.#pod, run, target, grace, message)
      .catch((error: unknown) => this.#d.log.warn('a container was not stopped', { error: String(error) }))
      .then(() => this.#d.refresh())
      .finally(() => {
        this.#kills.delete(run.id);
        this.wake();
      });
    this.#kills.set(run.id, { done, deadline });
    return done;
  }

  /** Main containers first and together, then the sidecars, the last one first. */
  async #endContainers(message: string, graceSeconds: number): Promise<void> {
    const started = this.#d.clock.now();
    const left = (): number => Math.max(0, graceSeconds - (this.#d.clock.now() - started) / 1000);
    const all = this.#see().runs;
    const live = (c: Container): Kill[] => {
      const run = all.get(c.name)?.[0];
      return run?.state === 'running' || run?.state === 'unknown'
        ? [{ run, container: c, message, graceSeconds: left() }]
        : [];
    };
    const inits = this.#pod.spec?.initContainers ?? [];
    const main = [...(this.#pod.spec?.containers ?? []), ...inits.filter((c) => !isSidecar(c))];
    await Promise.all(main.flatMap(live).map((k) => this.#kill(k)));
    for (const sidecar of inits.filter(isSidecar).reverse()) {
      for (const kill of live(sidecar)) await this.#kill(kill);
    }
  }

  /** The pod has run to its end: what is left of it stops, its logs stay. */
  async #finish(): Promise<void> {
    await this.#endContainers('Stopping container', this.#grace());
    for (const sandbox of this.#d.observe().sandboxes) {
      if (sandbox.state === 'ready') await this.#d.runtime.stopPodSandbox(sandbox.id);
    }
    await this.#d.refresh();
    await this.#readMessages();
    this.#report(new Map());
    this.#tendProbers();
  }

  async #terminate(): Promise<void> {
    const pod = this.#pod;
    if (!this.#removed) this.#report(new Map());
    const ending = this.#endContainers(`Stopping container`, this.#removed ? 1 : this.#grace());
    // A second deletion may shorten the grace period meanwhile.
    for (;;) {
      const done = await Promise.race([ending.then(() => true), this.#untilDirty().then(() => false)]);
      if (done) break;
      this.#dirty = false;
      void this.#endContainers('Stopping container', this.#removed ? 1 : this.#grace());
    }
    for (const sandbox of this.#d.observe().sandboxes) await this.#d.runtime.stopPodSandbox(sandbox.id);
    await this.#d.refresh();
    await this.#readMessages();
    if (!this.#removed) {
      this.#report(new Map());
      await this.#status.flush();
    }
    for (const container of this.#d.observe().containers) await this.#d.runtime.removeContainer(container.id);
    for (const sandbox of this.#d.observe().sandboxes) await this.#d.runtime.removePodSandbox(sandbox.id);
    await this.#d.volumes.teardown(pod.metadata.uid ?? '');
    await this.#d.removePodLogs(pod);
    if (!this.#removed) await this.#deleteFromApi();
    this.#stopped = true;
    for (const prober of this.#probers.values()) prober.stop();
    this.#abort.abort();
    this.#d.finished();
  }

  async #deleteFromApi(): Promise<void> {
    const { namespace, name, uid } = this.#pod.metadata;
    try {
      await this.#d.client.delete(PODS, namespace ?? '', name ?? '', {
        gracePeriodSeconds: 0,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      });
    } catch (error) {
      if (!isCode(error, 'NotFound') && !isCode(error, 'Conflict')) throw error;
    }
  }

  #untilDirty(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (!this.#dirty) return;
        clearInterval(timer);
        resolve();
      }, 100);
      timer.unref();
    });
  }

  /** Of each container the newest run is kept, and the one before it for `logs --previous`. */
  async #pruneRuns(): Promise<void> {
    await this.#readMessages();
    for (const [name, runs] of this.#see().runs) {
      for (const old of runs.slice(2)) {
        await this.#d.runtime.removeContainer(old.id);
        await this.#d.lifecycle.forget(name, old.config.attempt);
        this.#messages.delete(old.id);
      }
    }
  }

  async #refreshVolumes(): Promise<number | undefined> {
    if (this.#volumes === undefined || this.#volumes.size === 0) return undefined;
    const due = this.#volumesAt + VOLUME_REFRESH_MS - this.#d.clock.now();
    if (due > 0) return due;
    this.#volumesAt = this.#d.clock.now();
    try {
      this.#volumes = await this.#d.volumes.prepare(this.#pod, () => this.#addresses(), this.#abort.signal);
    } catch (error) {
      this.#event('Warning', 'FailedMount', error instanceof Error ? error.message : String(error));
    }
    return VOLUME_REFRESH_MS;
  }

  #tendProbers(): void {
    const { runs } = this.#see();
    const running = new Map<string, Container>();
    for (const container of this.#containers()) {
      const run = runs.get(container.name)?.[0];
      if (run?.state === 'running') running.set(run.id, container);
    }
    for (const [id, prober] of this.#probers) {
      if (running.has(id)) continue;
      prober.stop();
      this.#probers.delete(id);
    }
    for (const [id, container] of running) {
      if (this.#probers.has(id) || this.#hooks.has(id) || this.#hasEnded()) continue;
      this.#probers.set(id, this.#makeProber(container, id));
    }
  }

  #makeProber(container: Container, id: string): Prober {
    return new Prober(this.#target(container, id), {
      changed: () => this.wake(),
      failed: (kind, output) => {
        const word = kind.charAt(0).toUpperCase() + kind.slice(1);
        this.#event('Warning', 'Unhealthy', `${word} probe failed: ${output}`, container);
      },
    });
  }

  #target(container: Container, containerId: string): ActionTarget {
    const { runtime, trustedCa } = this.#d;
    return { container, containerId, podIP: this.#addresses().podIPs[0] ?? '127.0.0.1', runtime, trustedCa };
  }

  #hasEnded(): boolean {
    return this.#removed || this.#pod.metadata.deletionTimestamp !== undefined;
  }

  #containers(): readonly Container[] {
    return [...(this.#pod.spec?.initContainers ?? []), ...(this.#pod.spec?.containers ?? [])];
  }

  #grace(): number {
    const { deletionGracePeriodSeconds } = this.#pod.metadata;
    return deletionGracePeriodSeconds ?? this.#pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  }

  #see(): { sandbox: PodSandbox | undefined; runs: Map<string, ContainerStatus[]> } {
    const { sandboxes, containers } = this.#d.observe();
    const runs = new Map<string, ContainerStatus[]>();
    for (const run of containers) {
      const list = runs.get(run.config.name);
      if (list === undefined) runs.set(run.config.name, [run]);
      else list.push(run);
    }
    for (const list of runs.values())
      list.sort((a, b) => b.config.attempt - a.config.attempt || b.createdAt - a.createdAt);
    const newest = [...sandboxes].sort((a, b) => b.config.attempt - a.config.attempt)[0];
    return { sandbox: newest, runs };
  }

  #addresses(): PodAddresses {
    const { sandbox } = this.#see();
    return { podIPs: sandbox?.state === 'ready' ? sandbox.ips : [], hostIPs: this.#d.hostIPs };
  }

  #healths(runs: ReadonlyMap<string, readonly ContainerStatus[]>): Map<string, Health> {
    const result = new Map<string, Health>();
    for (const [name, list] of runs) {
      const run = list[0];
      const prober = run === undefined ? undefined : this.#probers.get(run.id);
      if (prober !== undefined) result.set(name, prober.health);
    }
    return result;
  }

  async #readMessages(): Promise<void> {
    for (const container of this.#containers()) {
      for (const run of this.#see().runs.get(container.name) ?? []) {
        if (run.state !== 'exited' || this.#messages.has(run.id)) continue;
        this.#messages.set(run.id, await this.#d.lifecycle.terminationMessage(container, run));
      }
    }
  }

  #observation(waiting: ReadonlyMap<string, Waiting>): PodObservation {
    const { sandbox, runs } = this.#see();
    return {
      runtimeName: this.#d.runtime.name,
      podIPs: sandbox?.state === 'ready' ? sandbox.ips : (this.#pod.status?.podIPs ?? []).map((p) => p.ip),
      hostIPs: this.#d.hostIPs,
      sandboxReady: sandbox?.state === 'ready',
      runs,
      waiting: new Map([...this.#failures, ...waiting]),
      health: this.#healths(runs),
      terminationMessages: this.#messages,
      terminating: this.#hasEnded(),
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
      now: this.#d.clock.now(),
    };
  }

  #report(waiting: ReadonlyMap<string, Waiting>): void {
    const status = computePodStatus(this.#pod, this.#observation(waiting));
    // What was decided here counts at once, before the API shows it: a phase that ended never goes back.
    this.#pod = { ...this.#pod, status: { ...this.#pod.status, ...status } };
    this.#status.report(status);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string, container?: Container): void {
    const isInit = container !== undefined && (this.#pod.spec?.initContainers ?? []).includes(container);
    const path =
      container === undefined ? undefined : `spec.${isInit ? 'initContainers' : 'containers'}{${container.name}}`;
    this.#d.events.record({ ...this.#pod, apiVersion: 'v1', kind: 'Pod' }, type, reason, message, path);
  }
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((t) => t !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
