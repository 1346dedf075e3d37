import type { Namespace, Node, Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { type InformerFactory, keyOfObject, splitKey } from '../client/informer.ts';
import { NAMESPACES, NODES, PODS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { type Clock, rfc3339 } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { FILTERS, type Situation } from './filters.ts';
import { buildNodeInfos, isTerminated } from './node-info.ts';
import { score } from './scores.ts';

/** A pod that fits nowhere is looked at again when something changes, and at the latest after this time. */
const UNSCHEDULABLE_RETRY_MS = 30_000;

export interface SchedulerDependencies {
  readonly client: RestClient;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** Pods that name another scheduler are left alone. */
  readonly schedulerName: string;
}

/** Binds each pod that has no node to the node that suits it best. */
export class Scheduler {
  readonly #d: SchedulerDependencies;
  readonly #queue: WorkQueue;
  /** Pods that were bound and whose informer does not show it yet: they count as on their node. */
  readonly #assumed = new Map<string, Pod>();
  readonly #waiting = new Set<string>();

  constructor(dependencies: SchedulerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('scheduler', dependencies.log);
    const { informers } = dependencies;
    informers.for<Pod>(PODS).handle({
      added: (pod) => this.#offer(pod),
      updated: (pod) => this.#podChanged(pod),
      deleted: (pod) => {
        this.#assumed.delete(keyOfObject(pod));
        this.#waiting.delete(keyOfObject(pod));
        this.#retryWaiting();
      },
    });
    informers.for<Node>(NODES).handle({
      added: () => this.#retryWaiting(),
      updated: (node, previous) => {
        if (schedulingRelevant(node) !== schedulingRelevant(previous)) this.#retryWaiting();
      },
      deleted: () => this.#retryWaiting(),
    });
    informers.for<Namespace>(NAMESPACES);
  }

  async run(signal: AbortSignal): Promise<void> {
    // One decision at a time: two that run together could both take the last free place.
    await this.#queue.run(1, (key) => this.#schedule(key, signal), signal);
  }

  #offer(pod: Pod): void {
    if (this.#isMine(pod)) this.#queue.add(keyOfObject(pod));
  }

  #podChanged(pod: Pod): void {
    if ((pod.spec?.nodeName ?? '') !== '') this.#assumed.delete(keyOfObject(pod));
    if (isTerminated(pod)) this.#retryWaiting();
    this.#offer(pod);
  }

  #isMine(pod: Pod): boolean {
    return (
      (pod.spec?.nodeName ?? '') === '' &&
      pod.metadata?.deletionTimestamp === undefined &&
      (pod.spec?.schedulerName ?? 'default-scheduler') === this.#d.schedulerName &&
      !isTerminated(pod)
    );
  }

  #retryWaiting(): void {
    // The queue may start at once, and a pod that fits nowhere again waits anew.
    const keys = [...this.#waiting];
    this.#waiting.clear();
    for (const key of keys) this.#queue.add(key);
  }

  async #schedule(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const pod = this.#d.informers.for<Pod>(PODS).get(namespace, name);
    if (pod === undefined || !this.#isMine(pod) || this.#assumed.has(key)) return;
    if ((pod.spec?.schedulingGates ?? []).length > 0) return;
    const choice = this.#choose(pod);
    if ('failure' in choice) return this.#unschedulable(key, pod, choice.failure, signal);
    this.#assumed.set(key, { ...pod, spec: { ...pod.spec!, nodeName: choice.nodeName } });
    try {
      await this.#d.client.createSubresource(
        PODS,
        { namespace, name, subresource: 'binding' },
        {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name, namespace, uid: pod.metadata?.uid },
          target: { apiVersion: 'v1', kind: 'Node', name: choice.nodeName },
        },
        signal,
      );
    } catch (error) {
      this.#assumed.delete(key);
      if (isCode(error, 'NotFound') || isCode(error, 'Conflict')) return;
      throw error;
    }
    this.#d.events.record(
      { ...pod, apiVersion: 'v1', kind: 'Pod' },
      'Normal',
      'Scheduled',
      `Successfully assigned ${key} to ${choice.nodeName}`,
    );
  }

  #choose(pod: Pod): { nodeName: string } | { failure: string } {
    const { informers } = this.#d;
    const known = informers.for<Pod>(PODS).list();
    const pods = known.map((p) => this.#assumed.get(keyOfObject(p)) ?? p);
    const all = buildNodeInfos(informers.for<Node>(NODES).list(), pods);
    const namespaces = informers.for<Namespace>(NAMESPACES);
    const situation: Situation = {
      all,
      namespaceLabels: (namespace) => namespaces.get('', namespace)?.metadata?.labels ?? {},
    };
    const reasons = new Map<string, number>();
    let best: { nodeName: string; score: number } | undefined;
    for (const info of all) {
      const refused = firstRefusal(pod, info, situation);
      if (refused.length > 0) {
        for (const reason of refused) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        continue;
      }
      const points = score(pod, info, situation);
      if (best === undefined || points > best.score) best = { nodeName: info.name, score: points };
    }
    return best ?? { failure: failureMessage(all.length, reasons) };
  }

  async #unschedulable(key: string, pod: Pod, message: string, signal: AbortSignal): Promise<void> {
    this.#waiting.add(key);
    this.#queue.addAfter(key, UNSCHEDULABLE_RETRY_MS);
    this.#d.events.record({ ...pod, apiVersion: 'v1', kind: 'Pod' }, 'Warning', 'FailedScheduling', message);
    const known = (pod.status?.conditions ?? []).find((c) => c.type === 'PodScheduled');
    if (known?.status === 'False' && known.message === message) return;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: known?.status === 'False' ? known.lastTransitionTime : rfc3339(this.#d.clock.now()),
    };
    try {
      await this.#d.client.patch(
        PODS,
        { ...splitKey(key), subresource: 'status' },
        'strategic',
        { status: { conditions: [condition] } },
        signal,
      );
    } catch (error) {
      if (!isCode(error, 'NotFound')) throw error;
    }
  }
}

function firstRefusal(
  pod: Pod,
  info: Parameters<(typeof FILTERS)[number]>[1],
  situation: Situation,
): readonly string[] {
  for (const filter of FILTERS) {
    const reasons = filter(pod, info, situation);
    if (reasons.length > 0) return reasons;
  }
  return [];
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`, as Kubernetes' scheduler words it. */
export function failureMessage(nodes: number, reasons: ReadonlyMap<string, number>): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
}

/** What of a node can make a waiting pod fit; a heartbeat cannot. */
function schedulingRelevant(node: Node): string {
  return JSON.stringify([node.spec, node.metadata?.labels, node.status?.allocatable]);
}
