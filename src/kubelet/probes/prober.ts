import type { Container, Probe } from '../../api/generated/types.ts';
import { type ActionTarget, perform } from './probe-action.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

/** What is known of a running container. */
export interface Health {
  /** The startup probe succeeded, or there is none. */
  readonly started: boolean;
  readonly ready: boolean;
  /** Liveness or startup failed often enough: the container must be restarted, and why. */
  readonly unhealthy:
    | { readonly kind: ProbeKind; readonly message: string; readonly graceSeconds?: number }
    | undefined;
}

/** What is known of a container before its first probe here. */
export interface ProbedRun {
  /** Milliseconds since it was started: initial delays count from then. */
  readonly ageMs: number;
  /** What a kubelet before this one said of it, which holds until a probe says otherwise. */
  readonly before: Pick<Health, 'started' | 'ready'> | undefined;
}

export interface ProberEvents {
  /** The health changed. */
  changed(): void;
  /** One attempt failed. */
  failed(kind: ProbeKind, output: string): void;
}

/** Runs the probes of one running container, from its start, or that of this kubelet, until `stop()`. */
export class Prober {
  readonly #target: ActionTarget;
  readonly #events: ProberEvents;
  readonly #bornAt: number;
  readonly #timers = new Set<NodeJS.Timeout>();
  #started: boolean;
  #ready: boolean;
  #unhealthy: Health['unhealthy'];
  readonly #over = new AbortController();

  constructor(target: ActionTarget, { ageMs, before }: ProbedRun, events: ProberEvents) {
    this.#target = target;
    this.#events = events;
    this.#bornAt = performance.now() - ageMs;
    const { startupProbe, readinessProbe } = target.container;
    this.#started = startupProbe === undefined || before?.started === true;
    this.#ready = readinessProbe === undefined || (this.#started && before?.ready === true);
    if (startupProbe !== undefined && !this.#started) this.#loop('startup', startupProbe);
    else this.#startOthers();
  }

  get health(): Health {
    return { started: this.#started, ready: this.#started && this.#ready, unhealthy: this.#unhealthy };
  }

  /** Nothing is probed from now on, also not what is under way; the health stays as it was. */
  stop(): void {
    this.#over.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #startOthers(): void {
    const { livenessProbe, readinessProbe }: Container = this.#target.container;
    if (livenessProbe !== undefined) this.#loop('liveness', livenessProbe);
    if (readinessProbe !== undefined) this.#loop('readiness', readinessProbe);
  }

  #loop(kind: ProbeKind, probe: Probe): void {
    const period = (probe.periodSeconds ?? 10) * 1000;
    const timeout = (probe.timeoutSeconds ?? 1) * 1000;
    let successes = 0;
    let failures = 0;
    const once = async (): Promise<void> => {
      const result = await perform(probe, this.#target, timeout, this.#over.signal);
      if (this.#over.signal.aborted) return;
      if (result.ok) {
        successes++;
        failures = 0;
      } else {
        failures++;
        successes = 0;
        this.#events.failed(kind, result.output);
      }
      const good = successes >= (probe.successThreshold ?? 1);
      const bad = failures >= (probe.failureThreshold ?? 3);
      if (this.#judge(kind, probe, good, bad, result.output)) return;
      schedule(period);
    };
    const schedule = (ms: number): void => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void once();
      }, ms);
      this.#timers.add(timer);
    };
    const age = performance.now() - this.#bornAt;
    schedule(Math.max(0, (probe.initialDelaySeconds ?? 0) * 1000 - age));
  }

  /** Returns true when this probe's loop ends. */
  #judge(kind: ProbeKind, probe: Probe, good: boolean, bad: boolean, output: string): boolean {
    if (kind === 'readiness') {
      const before = this.#ready;
      if (good) this.#ready = true;
      else if (bad) this.#ready = false;
      if (this.#ready !== before) this.#events.changed();
      return false;
    }
    if (bad) {
      const graceSeconds = probe.terminationGracePeriodSeconds;
      this.#unhealthy = { kind, message: output, ...(graceSeconds === undefined ? {} : { graceSeconds }) };
      this.#events.changed();
      return true;
    }
    if (kind === 'startup' && good) {
      this.#started = true;
      this.#startOthers();
      this.#events.changed();
      return true;
    }
    return false;
  }
}
