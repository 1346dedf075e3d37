import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { PODS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { ContainerStatus, PodSandbox, Runtime } from '../runtime/runtime.ts';
import { ContainerEnding } from './container-ending.ts';
import { type ContainerLifecycle, ContainerStartError } from './container-lifecycle.ts';
import type { PodAddresses } from './downward.ts';
import { sandboxConfig } from './pod-config.ts';
import { type PodPlan, planPod } from './pod-plan.ts';
import { type PodRuns, podRuns } from './pod-runs.ts';
import { computePodStatus, type PodObservation, type Waiting } from './pod-status.ts';
import type { ActionTarget } from './probes/probe-action.ts';
import { ProbeKeeper } from './probes/probe-keeper.ts';
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
  readonly #probes: ProbeKeeper;
  readonly #ending: ContainerEnding;
  readonly #hooks = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, Waiting>();
  /** The run of each container of whose back-off an event has told. */
  readonly #backedOff = new Map<string, string>();
  readonly #messages = new Map<string, string>();
  #pod: Pod;
  #removed = false;
  #failure: PodObservation['failure'];
  #dirty = false;
  #woken: PromiseWithResolvers<void> | undefined;
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
    const { runtime, lifecycle, clock, log } = dependencies;
    const target = (container: Container, id: string): ActionTarget => this.#target(container, id);
    const see = (): PodRuns => this.#see();
    const ended = async (): Promise<void> => {
      await dependencies.refresh();
      this.wake();
    };
    this.#ending = new ContainerEnding({ runtime, lifecycle, clock, log, see, target, ended });
    this.#probes = new ProbeKeeper({
      target,
      changed: () => this.wake(),
      failed: (container, kind, output) => {
        const word = kind.charAt(0).toUpperCase() + kind.slice(1);
        this.#event('Warning', 'Unhealthy', `${word} probe failed: ${output}`, container);
      },
    });
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** The pod as the API has it now. */
  update(pod: Pod): void {
    // A phase that ended here counts at once, also before the API shows it.
    const known = this.#pod.status?.phase;
    const ended = known === 'Failed' || known === 'Succeeded';
    const { labels, annotations } = this.#pod.metadata;
    // Files may show them; and who changes an annotation may want all volumes fresh now, as with Kubernetes' kubelet.
    if (!isDeepStrictEqual([labels, annotations], [pod.metadata.labels, pod.metadata.annotations])) this.#volumesAt = 0;
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
    this.#woken?.resolve();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Ends the worker without touching its containers. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#probes.stop();
    await this.#running;
  }

  /**
   * Ends the pod's containers with the node: they start again with it, where their policy says so. When `hurry` aborts, what is
   * left of the grace period is over.
   */
  async shutdown(hurry: AbortSignal): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const why = ': the node shuts down';
    const cutShort = (): void => void this.#ending.all(this.#pod, 0, why);
    hurry.addEventListener('abort', cutShort, { once: true });
    await this.#running;
    await this.#ending.all(this.#pod, hurry.aborted ? 0 : this.#grace(), why);
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
    for (const kill of plan.kill) void this.#ending.kill(this.#pod, kill, kill.graceSeconds ?? this.#grace());
    const retry = await this.#start(plan);
    this.#report(plan.waiting);
    this.#tellOfBackOff(plan);
    await this.#pruneRuns();
    const refresh = await this.#refreshVolumes();
    return earliest(plan.again, deadlineLeft, retry, refresh);
  }

  #plan(): PodPlan {
    const seen = this.#see();
    return planPod(this.#pod, {
      ...seen,
      health: this.#probes.healths(seen),
      backoff: this.#backoff,
      now: this.#d.clock.now(),
    });
  }

  /** One event for each run that is waited after. */
  #tellOfBackOff({ waiting }: PodPlan): void {
    const { runs } = this.#see();
    for (const container of this.#containers()) {
      const run = runs.get(container.name)?.[0];
      if (waiting.get(container.name)?.reason !== 'CrashLoopBackOff' || run === undefined) continue;
      if (this.#backedOff.get(container.name) === run.id) continue;
      this.#backedOff.set(container.name, run.id);
      const { name, namespace, uid } = this.#pod.metadata;
      const what = `${container.name} in pod ${name}_${namespace}(${uid})`;
      this.#event('Warning', 'BackOff', `Back-off restarting failed container ${what}`, container);
    }
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
    await this.#ending.all(this.#pod, this.#grace(), ': its sandbox is made anew');
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
        this.#attempts = 0;
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

  /** The pod has run to its end: what is left of it stops, its logs stay. */
  async #finish(): Promise<void> {
    await this.#ending.all(this.#pod, this.#grace());
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
    const grace = (): number => (this.#removed ? 1 : this.#grace());
    let ended = false;
    const ending = this.#ending.all(this.#pod, grace()).then(() => {
      ended = true;
    });
    while (!ended) {
      // A second deletion may shorten the grace period meanwhile.
      this.#woken = Promise.withResolvers<void>();
      await Promise.race([ending, this.#woken.promise]);
      this.#woken = undefined;
      if (!ended) void this.#ending.all(this.#pod, grace());
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
    this.#probes.stop();
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
    if ((this.#pod.spec?.volumes ?? []).length === 0) return undefined;
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
    this.#probes.tend(this.#containers(), this.#see(), (id) => this.#hooks.has(id) || this.#hasEnded());
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

  #see(): PodRuns {
    const { sandboxes, containers } = this.#d.observe();
    return podRuns(sandboxes, containers);
  }

  #addresses(): PodAddresses {
    const { sandbox } = this.#see();
    return { podIPs: sandbox?.state === 'ready' ? sandbox.ips : [], hostIPs: this.#d.hostIPs };
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
    const seen = this.#see();
    const { sandbox, runs } = seen;
    return {
      runtimeName: this.#d.runtime.name,
      podIPs: sandbox?.state === 'ready' ? sandbox.ips : (this.#pod.status?.podIPs ?? []).map((p) => p.ip),
      hostIPs: this.#d.hostIPs,
      sandboxReady: sandbox?.state === 'ready',
      runs,
      waiting: new Map([...this.#failures, ...waiting]),
      health: this.#probes.healths(seen),
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
