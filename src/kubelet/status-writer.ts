import type { Pod, PodStatus } from '../api/generated/types.ts';
import { PODS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { backoff, sleep } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 10_000;
/** From this failure in a row on, an operator should know. */
const WARN_FROM = 3;

/** Sends one pod's status, the newest only, until the apiserver has taken it. */
export class StatusWriter {
  readonly #client: RestClient;
  readonly #pod: Pod;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  #sent: string | undefined;
  #wanted: PodStatus | undefined;
  #running: Promise<void> | undefined;

  constructor(client: RestClient, pod: Pod, log: Log, signal: AbortSignal) {
    this.#client = client;
    this.#pod = pod;
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
        await this.#send(status);
        this.#sent = text;
        failures = 0;
        if (this.#wanted === status) this.#wanted = undefined;
      } catch (error) {
        if (isCode(error, 'NotFound') || (isCode(error, 'Conflict') && (await this.#isGone()))) {
          this.#wanted = undefined;
          return;
        }
        const level = failures < WARN_FROM ? 'debug' : 'warn';
        this.#log[level]('a pod status was not written', { pod: this.#pod.metadata.name, error: String(error) });
        await sleep(backoff(failures++, RETRY_BASE_MS, RETRY_MAX_MS), this.#signal);
      }
    }
  }

  /** Whether a conflict was about the pod itself: it is gone, and another one may have its name. */
  async #isGone(): Promise<boolean> {
    const { namespace = '', name = '', uid } = this.#pod.metadata;
    try {
      return (await this.#client.get(PODS, namespace, name, this.#signal)).metadata.uid !== uid;
    } catch (error) {
      return isCode(error, 'NotFound');
    }
  }

  async #send(status: PodStatus): Promise<void> {
    const { namespace, name, uid } = this.#pod.metadata;
    const where = { namespace: namespace ?? '', name: name ?? '', subresource: 'status' };
    const { conditions = [], ...rest } = status;
    // A condition that changed must not keep the reason of what it was before.
    const whole = conditions.map((c) => ({ ...c, reason: c.reason ?? null, message: c.message ?? null }));
    // The uid keeps a pod of the same name that came later from getting this one's status (409).
    const patch = {
      metadata: { uid },
      status: { ...rest, conditions: whole, podIPs: replaced(status.podIPs), hostIPs: replaced(status.hostIPs) },
    };
    await this.#client.patch(PODS, where, 'strategic', patch, this.#signal);
  }
}

/** A list that a strategic merge would join with what is there, as one that takes its place. */
function replaced(list: readonly object[] | undefined): readonly object[] | null {
  return list === undefined ? null : [{ $patch: 'replace' }, ...list];
}

/** Tells the apiserver that the pod has ended on its node: the object goes. It may have gone already, or be another one by now. */
export async function deleteFromApi(client: RestClient, pod: Pod, signal: AbortSignal): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata;
  const preconditions = uid === undefined ? {} : { preconditions: { uid } };
  try {
    await client.delete(PODS, namespace, name, { gracePeriodSeconds: 0, ...preconditions }, signal);
  } catch (error) {
    if (!isCode(error, 'NotFound') && !isCode(error, 'Conflict')) throw error;
  }
}
