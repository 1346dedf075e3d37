import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';
import { backoff, earliest } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ContainerEnding } from './container-ending.ts';
import type { ContainerLifecycle } from './container-lifecycle.ts';
import type { PodAddresses } from './downward.ts';
import { containersOf, gracePeriodSeconds, sandboxConfig } from './pod-config.ts';
import { recordPodEvent } from './pod-events.ts';
import { PodHistory } from './pod-history.ts';
import { type PodPlan, planPod } from './pod-plan.ts';
import { type PodRuns, podRuns } from './pod-runs.ts';
import { PodStarter } from './pod-starter.ts';
import { computePodStatus, type PodObservation, type Waiting } from './pod-status.ts';
import { PodVerdict } from './pod-verdict.ts';
import type { ActionTarget } from './probes/probe-action.ts';
import { ProbeKeeper } from './probes/probe-keeper.ts';
import { RestartBackoff } from './restart-backoff.ts';
import type { RuntimeView } from './runtime-view.ts';
import { deleteFromApi, StatusWriter } from './status-writer.ts';
import { PodVolumes } from './volumes/pod-volumes.ts';
import type { PreparedVolume, VolumeManager } from './volumes/volume-manager.ts';

/** A step that failed is tried again after this time, doubled up to the maximum. */
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;
/** How long the end of the node waits for a pod's last status to be stored. */
const LAST_STATUS_MS = 5_000;

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
  readonly observe: () => ReturnType<RuntimeView['ofPod']>;
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
  readonly #starter: PodStarter;
  readonly #history: PodHistory;
  readonly #verdict: PodVerdict;
  readonly #volumes: PodVolumes;
  #pod: Pod;
  #removed = false;
  #dirty = false;
  #woken: PromiseWithResolvers<void> | undefined;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;
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
    this.#volumes = new PodVolumes(dependencies.volumes, clock, () => this.#addresses());
    this.#history = new PodHistory(lifecycle, runtime);
    this.#verdict = new PodVerdict(dependencies.unsupported, (type, { reason, message }) =>
      this.#event(type, reason, message),
    );
    this.#starter = new PodStarter({
      runtime,
      lifecycle,
      clock,
      backoff: this.#backoff,
      target,
      refresh: dependencies.refresh,
      hookEnded: () => this.wake(),
      tell: (container, reason, message) => this.#event('Warning', reason, message, container),
    });
    this.#probes = new ProbeKeeper({
      target,
      changed: () => this.wake(),
      failed: (container, message) => this.#event('Warning', 'Unhealthy', message, container),
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
    if (!isDeepStrictEqual([labels, annotations], [pod.metadata.labels, pod.metadata.annotations]))
      this.#volumes.stale();
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
    // The node ends also when the apiserver does not take it.
    await this.#status.flush(LAST_STATUS_MS);
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
    const deadlineLeft = this.#verdict.judge(this.#pod, this.#d.clock.now());
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
    this.#starter.tellOfBackOff(this.#pod, containersOf(this.#pod), this.#see(), plan.waiting);
    await this.#history.read(containersOf(this.#pod), this.#see());
    await this.#history.prune(this.#see());
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

  async #createSandbox(): Promise<number | undefined> {
    const { runtime } = this.#d;
    this.#report(new Map());
    await this.#ending.all(this.#pod, this.#grace(), ': its sandbox is made anew');
    const old = this.#d.observe().sandboxes;
    for (const sandbox of old) await runtime.stopPodSandbox(sandbox.id);
    try {
      await this.#volumes.get(this.#pod, this.#abort.signal, true);
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
    this.#event('Warning', reason, prefix + messageOf(error));
    return backoff(this.#attempts++, RETRY_BASE_MS, RETRY_MAX_MS);
  }

  /** Starts what the plan says; answers when to try again what failed. */
  async #start(plan: PodPlan): Promise<number | undefined> {
    let retry: number | undefined;
    for (const step of plan.start) {
      const seen = this.#see();
      if (seen.sandbox === undefined || this.#hasEnded()) return undefined;
      let volumes: ReadonlyMap<string, PreparedVolume>;
      try {
        volumes = await this.#volumes.get(this.#pod, this.#abort.signal);
      } catch (error) {
        return this.#failed('FailedMount', error);
      }
      const where = {
        sandbox: seen.sandbox,
        volumes,
        addresses: this.#addresses(),
        graceSeconds: this.#grace(),
      };
      const started = await this.#starter.start(this.#pod, step, seen, where, this.#abort.signal);
      if (started) this.#attempts = 0;
      else retry = backoff(this.#attempts++, RETRY_BASE_MS * 4, RETRY_MAX_MS);
    }
    if (plan.start.length > 0) this.#tendProbers();
    return retry;
  }

  /** The pod has run to its end: what is left of it stops, its logs stay. */
  async #finish(): Promise<void> {
    await this.#ending.all(this.#pod, this.#grace());
    for (const sandbox of this.#d.observe().sandboxes) {
      if (sandbox.state === 'ready') await this.#d.runtime.stopPodSandbox(sandbox.id);
    }
    await this.#d.refresh();
    await this.#history.read(containersOf(this.#pod), this.#see());
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
    await this.#history.read(containersOf(this.#pod), this.#see());
    if (!this.#removed) {
      this.#report(new Map());
      await this.#status.flush();
    }
    for (const container of this.#d.observe().containers) await this.#d.runtime.removeContainer(container.id);
    for (const sandbox of this.#d.observe().sandboxes) await this.#d.runtime.removePodSandbox(sandbox.id);
    await this.#d.volumes.teardown(pod.metadata.uid ?? '');
    await this.#d.removePodLogs(pod);
    if (!this.#removed) await deleteFromApi(this.#d.client, pod);
    this.#stopped = true;
    this.#probes.stop();
    this.#abort.abort();
    this.#d.finished();
  }

  async #refreshVolumes(): Promise<number | undefined> {
    if (this.#volumes.due(this.#pod) === 0) {
      await this.#volumes
        .get(this.#pod, this.#abort.signal, true)
        .catch((error: unknown) => this.#event('Warning', 'FailedMount', messageOf(error)));
    }
    return this.#volumes.due(this.#pod);
  }

  #tendProbers(): void {
    this.#probes.tend(containersOf(this.#pod), this.#see(), (id) => this.#starter.isHooked(id) || this.#hasEnded());
  }

  #target(container: Container, containerId: string): ActionTarget {
    const { runtime, trustedCa } = this.#d;
    return { container, containerId, podIP: this.#addresses().podIPs[0] ?? '127.0.0.1', runtime, trustedCa };
  }

  #hasEnded(): boolean {
    return this.#removed || this.#pod.metadata.deletionTimestamp !== undefined;
  }

  #grace(): number {
    return gracePeriodSeconds(this.#pod);
  }

  #see(): PodRuns {
    const { sandboxes, containers } = this.#d.observe();
    return podRuns(sandboxes, containers);
  }

  #addresses(): PodAddresses {
    const { sandbox } = this.#see();
    return { podIPs: sandbox?.state === 'ready' ? sandbox.ips : [], hostIPs: this.#d.hostIPs };
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
      waiting: new Map([...this.#starter.failures, ...waiting]),
      health: this.#probes.healths(seen),
      terminationMessages: this.#history.messages,
      terminating: this.#hasEnded(),
      ...(this.#verdict.failure === undefined ? {} : { failure: this.#verdict.failure }),
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
    recordPodEvent(this.#d.events, this.#pod, type, reason, message, container);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
