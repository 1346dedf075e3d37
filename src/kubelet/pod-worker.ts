import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod } from '../api/generated/types.ts';
import { backoff, earliest } from '../lib/deadline.ts';
import { ContainerEnding } from './container-ending.ts';
import type { PodAddresses } from './downward.ts';
import { containersOf, gracePeriodSeconds } from './pod-config.ts';
import { recordPodEvent } from './pod-events.ts';
import { PodHistory } from './pod-history.ts';
import { type PodPlan, planPod } from './pod-plan.ts';
import { type Look, PodReporter } from './pod-reporter.ts';
import { type PodRuns, podRuns } from './pod-runs.ts';
import { replaceSandbox } from './pod-sandbox.ts';
import { PodStarter } from './pod-starter.ts';
import type { PodFailure, Waiting } from './pod-status.ts';
import { PodVerdict } from './pod-verdict.ts';
import type { PodWorkerDependencies } from './pod-worker-dependencies.ts';
import type { ActionTarget } from './probes/probe-action.ts';
import { ProbeKeeper, probedRun } from './probes/probe-keeper.ts';
import { RestartBackoff } from './restart-backoff.ts';
import { PodVolumes } from './volumes/pod-volumes.ts';
import type { PreparedVolume } from './volumes/volume-manager.ts';

/** A step that failed is tried again after this time, doubled up to the maximum. */
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;
/** Seconds for the containers of a pod that is gone from the API already. */
const REMOVED_GRACE_SECONDS = 1;

/**
 * Brings one pod to what its spec says: one step at a time, each decided anew from what the runtime shows, so that a restart
 * of the kubelet at any moment goes on where it was.
 */
export class PodWorker {
  readonly #d: PodWorkerDependencies;
  readonly #abort = new AbortController();
  /** Nothing more is started: the pod, the node, or this worker ends. */
  readonly #over = new AbortController();
  readonly #reporter: PodReporter;
  readonly #backoff = new RestartBackoff();
  readonly #probes: ProbeKeeper;
  readonly #ending: ContainerEnding;
  readonly #starter: PodStarter;
  readonly #history: PodHistory;
  readonly #verdict: PodVerdict;
  readonly #volumes: PodVolumes;
  #pod: Pod;
  readonly #ended = Promise.withResolvers<void>();
  #graceLimit = Number.POSITIVE_INFINITY;
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
    const { record, runtime, lifecycle, clock, log, hostIPs, exitOf } = dependencies;
    this.#reporter = new PodReporter(pod, {
      record,
      clock,
      log,
      runtimeName: runtime.name,
      hostIPs,
      look: () => this.#look(),
      signal: this.#abort.signal,
    });
    const target = (container: Container, id: string): ActionTarget => this.#target(container, id);
    const see = (): PodRuns => this.#see();
    const ended = async (): Promise<void> => {
      // A runtime that has gone away tells by an event when it is back.
      await dependencies.refresh().catch(() => undefined);
      this.wake();
    };
    this.#ending = new ContainerEnding({ runtime, lifecycle, clock, log, see, target, exitOf, ended });
    this.#volumes = new PodVolumes(dependencies.volumes, clock, () => this.#addresses());
    this.#history = new PodHistory(lifecycle, runtime);
    this.#verdict = new PodVerdict(dependencies.unsupported, dependencies.refused, (type, { reason, message }) =>
      this.#event(type, reason, message),
    );
    this.#starter = new PodStarter({
      runtime,
      lifecycle,
      clock,
      backoff: this.#backoff,
      target,
      refresh: dependencies.refresh,
      exitOf,
      end: (container, id, message) => this.#end(container, id, message),
      hookEnded: () => this.wake(),
      tell: (container, reason, message) => this.#event('Warning', reason, message, container),
    });
    this.#probes = new ProbeKeeper({
      target,
      run: (container, run) => probedRun(this.#pod, container, run, clock.now()),
      changed: () => this.wake(),
      failed: (container, message) => this.#event('Warning', 'Unhealthy', message, container),
    });
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** The pod as the API has it now. */
  update(pod: Pod): void {
    const { labels, annotations } = this.#pod.metadata;
    // Files may show them; and who changes an annotation may want all volumes fresh now, as with Kubernetes' kubelet.
    if (!isDeepStrictEqual([labels, annotations], [pod.metadata.labels, pod.metadata.annotations]))
      this.#volumes.stale();
    this.#pod = this.#reporter.known(pod);
    if (this.#hasEnded()) this.#over.abort();
    this.wake();
  }

  /** The pod is gone from the API without asking its kubelet. */
  removed(): void {
    this.#removed = true;
    this.#over.abort();
    this.wake();
  }

  /** Ends the pod for good, whatever it does: it fails for this reason. Resolves when nothing of it runs and its volumes are gone. */
  async evict(failure: PodFailure, graceSeconds: number): Promise<void> {
    this.#verdict.fail('Warning', failure);
    this.#graceLimit = Math.min(this.#graceLimit, graceSeconds);
    this.#over.abort();
    this.wake();
    await this.#ended.promise;
  }

  /** False once nothing of the pod runs any more, or all of it is being ended. */
  get isActive(): boolean {
    const { phase } = this.#pod.status ?? {};
    return !this.#hasEnded() && !this.#stopped && phase !== 'Failed' && phase !== 'Succeeded';
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
    this.#over.abort();
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#probes.retire();
    this.#ended.resolve();
    await this.#running;
  }

  /**
   * Ends the pod's containers with the node: they start again with it, where their policy says so. When `hurry` aborts, what is
   * left of the grace period is over. With `forGood` the pod ends with them, for that reason, and has so many seconds at most.
   */
  async shutdown(
    hurry: AbortSignal,
    forGood?: { readonly failure: PodFailure; readonly graceSeconds: number },
  ): Promise<void> {
    if (forGood !== undefined) {
      this.#graceLimit = Math.min(this.#graceLimit, forGood.graceSeconds);
      if (this.isActive) this.#verdict.fail('Normal', forGood.failure);
    }
    this.#stopped = true;
    this.#over.abort();
    this.#reporter.nodeEnds();
    clearTimeout(this.#timer);
    this.#probes.retire();
    const why = ': the node shuts down';
    const cutShort = (): void => void this.#ending.all(this.#pod, 0, why);
    if (hurry.aborted) cutShort();
    hurry.addEventListener('abort', cutShort, { once: true });
    await this.#running;
    await this.#ending.all(this.#pod, hurry.aborted ? 0 : this.#grace(), why);
    hurry.removeEventListener('abort', cutShort);
    try {
      for (const sandbox of this.#d.observe().sandboxes) await this.#d.runtime.stopPodSandbox(sandbox.id);
    } finally {
      await this.#d.refresh();
      this.#report(new Map());
      await this.#reporter.stored();
      await this.stop();
    }
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
    const isNew = this.#d.observe().sandboxes.length === 0;
    const deadlineLeft = this.#verdict.judge(this.#pod, this.#d.clock.now(), isNew);
    const phase = this.#reporter.phase(this.#pod);
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
    if (await this.#history.prune(this.#see())) await this.#d.refresh();
    const refresh = await this.#volumes.refresh(this.#pod, this.#over.signal, (error) =>
      this.#event('Warning', 'FailedMount', messageOf(error)),
    );
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
    const { runtime, logsDirectory } = this.#d;
    this.#report(new Map());
    await this.#endContainers(': its sandbox is made anew');
    const failure = await replaceSandbox(this.#pod, this.#d.observe().sandboxes, {
      runtime,
      logsDirectory,
      volumes: this.#volumes,
      signal: this.#over.signal,
    });
    if (failure !== undefined) return this.#failed(failure.reason, failure.error, failure.prefix);
    this.#attempts = 0;
    await this.#d.refresh();
    this.#dirty = true;
    return undefined;
  }

  #failed(reason: string, error: unknown, prefix = ''): number | undefined {
    if (this.#over.signal.aborted) return undefined;
    this.#event('Warning', reason, prefix + messageOf(error));
    return backoff(this.#attempts++, RETRY_BASE_MS, RETRY_MAX_MS);
  }

  /** Starts what the plan says; answers when to try again what failed. */
  async #start(plan: PodPlan): Promise<number | undefined> {
    const { signal } = this.#over;
    if (plan.start.length === 0 || signal.aborted) return undefined;
    let volumes: ReadonlyMap<string, PreparedVolume>;
    try {
      volumes = await this.#volumes.get(this.#pod, signal);
    } catch (error) {
      return this.#failed('FailedMount', error);
    }
    const outcome = await this.#starter.startAll(plan.start, {
      pod: () => this.#pod,
      see: () => this.#see(),
      addresses: () => this.#addresses(),
      volumes,
      signal,
    });
    this.#tendProbers();
    if (outcome === 'started') this.#attempts = 0;
    return outcome === 'failed' ? backoff(this.#attempts++, RETRY_BASE_MS * 4, RETRY_MAX_MS) : undefined;
  }

  /** The pod has run to its end: what is left of it stops, its logs stay. */
  async #finish(): Promise<void> {
    await this.#endContainers();
    for (const sandbox of this.#d.observe().sandboxes) {
      if (sandbox.state === 'ready') await this.#d.runtime.stopPodSandbox(sandbox.id);
    }
    await this.#d.refresh();
    await this.#history.read(containersOf(this.#pod), this.#see());
    await this.#d.volumes.empty(this.#pod.metadata.uid ?? '');
    this.#report(new Map());
    this.#tendProbers();
    this.#ended.resolve();
  }

  async #terminate(): Promise<void> {
    const pod = this.#pod;
    this.#probes.retire();
    if (!this.#removed) this.#report(new Map());
    await this.#endContainers();
    for (const sandbox of this.#d.observe().sandboxes) await this.#d.runtime.stopPodSandbox(sandbox.id);
    await this.#d.refresh();
    await this.#history.read(containersOf(this.#pod), this.#see());
    if (!this.#removed) {
      this.#report(new Map());
      // The next kubelet goes on here.
      if (!(await this.#reporter.stored())) return;
    }
    for (const sandbox of this.#d.observe().sandboxes) await this.#d.runtime.removePodSandbox(sandbox.id);
    await this.#d.volumes.teardown(pod.metadata.uid ?? '');
    await this.#d.removePodLogs(pod);
    if (!this.#removed) await this.#d.record.remove(this.#abort.signal);
    this.#stopped = true;
    this.#ended.resolve();
    this.#abort.abort();
    this.#d.finished();
  }

  #endContainers(why = ''): Promise<void> {
    const nextWake = (): Promise<void> => {
      this.#woken = Promise.withResolvers<void>();
      return this.#woken.promise;
    };
    // A deletion, or a second one, may shorten the grace period meanwhile.
    return this.#ending.allAsTold(() => [this.#pod, this.#grace()], nextWake, why);
  }

  async #end(container: Container, containerId: string, message: string): Promise<void> {
    const run = this.#see().runs.get(container.name)?.[0];
    if (run?.id === containerId) await this.#ending.kill(this.#pod, { run, container, message }, this.#grace());
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
    return Math.min(this.#graceLimit, this.#removed ? REMOVED_GRACE_SECONDS : gracePeriodSeconds(this.#pod));
  }

  #see(): PodRuns {
    const { sandboxes, containers } = this.#d.observe();
    return podRuns(sandboxes, containers);
  }

  #addresses(): PodAddresses {
    const { sandbox } = this.#see();
    return { podIPs: sandbox?.state === 'ready' ? sandbox.ips : [], hostIPs: this.#d.hostIPs };
  }

  #look(): Look {
    const seen = this.#see();
    return {
      seen,
      failures: this.#starter.failures(this.#pod, seen),
      health: this.#probes.healths(seen),
      terminationMessages: this.#history.messages,
      terminating: this.#hasEnded(),
      ...(this.#verdict.failure === undefined ? {} : { failure: this.#verdict.failure }),
    };
  }

  #report(waiting: ReadonlyMap<string, Waiting>): void {
    this.#pod = this.#reporter.report(this.#pod, waiting);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string, container?: Container): void {
    recordPodEvent(this.#d.events, this.#pod, type, reason, message, container);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
