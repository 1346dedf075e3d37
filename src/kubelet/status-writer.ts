import type { PodStatus } from '../api/generated/types.ts';
import { backoff, sleep } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import type { PodRecord } from './pod-record.ts';

const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 10_000;
/** After so many failures in a row an operator should know, once. */
const WARN_FROM = 3;

/** Sends one pod's status, the newest only, until the apiserver has taken it. */
export class StatusWriter {
  readonly #record: PodRecord;
  readonly #podName: string;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  #sent: string | undefined;
  #wanted: PodStatus | undefined;
  #running: Promise<void> | undefined;

  constructor(record: PodRecord, podName: string, log: Log, signal: AbortSignal) {
    this.#record = record;
    this.#podName = podName;
    this.#log = log;
    this.#signal = signal;
  }

  report(status: PodStatus): void {
    this.#wanted = status;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when what was reported last is stored, or the pod is gone, or the signal has aborted. */
  async flush(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (this.#wanted !== undefined && !this.#signal.aborted) {
      const status = this.#wanted;
      const text = JSON.stringify(status);
      if (text === this.#sent) {
        this.#wanted = undefined;
        return;
      }
      try {
        const outcome = await this.#record.write(status, this.#signal);
        this.#sent = text;
        failures = 0;
        if (this.#wanted === status || outcome === 'gone') this.#wanted = undefined;
      } catch (error) {
        const level = failures === WARN_FROM ? 'warn' : 'debug';
        this.#log[level]('a pod status was not written', { pod: this.#podName, error: String(error) });
        await sleep(backoff(failures++, RETRY_BASE_MS, RETRY_MAX_MS), this.#signal);
      }
    }
  }
}
