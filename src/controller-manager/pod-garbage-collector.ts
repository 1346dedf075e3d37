import type { Node, Pod } from '../api/generated/types.ts';
import type { Informer } from '../client/informer.ts';
import { NODES, PODS } from '../client/resources.ts';
import { sleep } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';
import { readyStatus } from './node-taints.ts';
import { markDisrupted, markFailed } from './pod-disruption.ts';
import { isPodEnded } from './pod-state.ts';

export interface PodGarbageCollectorOptions {
  readonly intervalMs: number;
  /** How long a node must be missing before its pods go with it: it may only be registering anew. */
  readonly quarantineMs: number;
  /** Pods that have ended and are kept for who wants to read their logs: the oldest beyond this number go. */
  readonly endedPods: number;
}

/** Put on a node by somebody who knows that nothing runs there any more. */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** Kubernetes' defaults. */
const OPTIONS: PodGarbageCollectorOptions = { intervalMs: 20_000, quarantineMs: 40_000, endedPods: 12_500 };

/**
 * Removes pods that nobody would end: of nodes that are gone, deleted ones of nodes that are out of service or that had no node
 * yet, and ended ones beyond a number.
 */
export class PodGarbageCollector implements Controller {
  readonly #d: ControllerDependencies;
  readonly #options: PodGarbageCollectorOptions;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  /** Since when a node that pods name is missing. */
  readonly #missing = new Map<string, number>();

  constructor(dependencies: ControllerDependencies, options = OPTIONS) {
    this.#d = dependencies;
    this.#options = options;
    this.#nodes = dependencies.informers.for<Node>(NODES);
    this.#pods = dependencies.informers.for<Pod>(PODS);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (await sleep(this.#options.intervalMs, signal)) {
      const gone = await this.#missingNodes(signal);
      for (const pod of this.#surplus(gone)) {
        try {
          await this.#remove(pod, gone, signal);
        } catch (error) {
          if (!signal.aborted) this.#d.log.debug('a pod was not removed', { error: String(error) });
        }
      }
    }
  }

  #surplus(gone: ReadonlySet<string>): Set<Pod> {
    const all = this.#pods.list();
    const surplus = new Set<Pod>();
    for (const pod of all) {
      const nodeName = pod.spec?.nodeName ?? '';
      const isDeleted = pod.metadata.deletionTimestamp !== undefined;
      const nobodyEndsIt = nodeName === '' || this.#isOutOfService(nodeName);
      if ((isDeleted && nobodyEndsIt) || gone.has(nodeName)) surplus.add(pod);
    }
    const ended = all.filter((pod) => isPodEnded(pod) && !surplus.has(pod));
    for (const pod of ended.sort(evictedThenOldest).slice(0, Math.max(0, ended.length - this.#options.endedPods))) {
      surplus.add(pod);
    }
    return surplus;
  }

  #isOutOfService(nodeName: string): boolean {
    const node = this.#nodes.get('', nodeName);
    return (
      node !== undefined &&
      readyStatus(node.status?.conditions) !== 'True' &&
      (node.spec?.taints ?? []).some((taint) => taint.key === OUT_OF_SERVICE)
    );
  }

  /** Nodes that pods name, that have been missing for long, and that the apiserver does not know either. */
  async #missingNodes(signal: AbortSignal): Promise<Set<string>> {
    const now = this.#d.clock.now();
    const named = new Set(this.#pods.list().map((pod) => pod.spec?.nodeName ?? ''));
    named.delete('');
    for (const name of this.#missing.keys()) if (!named.has(name)) this.#missing.delete(name);
    const gone = new Set<string>();
    for (const name of named) {
      if (this.#nodes.get('', name) !== undefined) {
        this.#missing.delete(name);
        continue;
      }
      const since = this.#missing.get(name) ?? now;
      this.#missing.set(name, since);
      if (now - since >= this.#options.quarantineMs && (await this.#isGone(name, signal))) gone.add(name);
    }
    return gone;
  }

  async #isGone(nodeName: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#d.client.get(NODES, '', nodeName, signal);
      return false;
    } catch (error) {
      return isCode(error, 'NotFound');
    }
  }

  async #remove(pod: Pod, gone: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata;
    if (!isPodEnded(pod)) {
      // Nobody else will say that it ended.
      if (gone.has(pod.spec?.nodeName ?? '')) {
        const message = 'PodGC: node no longer exists';
        await markDisrupted(this.#d, pod, { reason: 'DeletionByPodGC', message, failed: true }, signal);
      } else await markFailed(this.#d, pod, signal);
    }
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await ignoring(['NotFound', 'Conflict'], this.#d.client.delete(PODS, namespace, name, options, signal));
  }
}

function evictedThenOldest(a: Pod, b: Pod): number {
  const [x, y] = [a, b].map(({ metadata, status }) => {
    const evicted = status?.phase === 'Failed' && status.reason === 'Evicted';
    return `${evicted ? 0 : 1} ${metadata.creationTimestamp} ${metadata.name}`;
  });
  return (x ?? '') < (y ?? '') ? -1 : 1;
}
