import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Namespace, Node, Pod } from '../api/generated/types.ts';
import { jsonEqual } from '../api/json-object.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { type Informer, type InformerFactory, keyOfObject, splitKey } from '../client/informer.ts';
import { NAMESPACES, NODES, PODS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { type Clock, rfc3339 } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { chooseNode } from './choose-node.ts';
import { ClusterState } from './cluster-state.ts';
import type { FilterName, Situation } from './framework.ts';
import { isEnded, podInfo } from './pod-info.ts';
import { SchedulingQueue } from './scheduling-queue.ts';

/** Requests under way at once: decisions go on while bindings are being written. */
const MAX_REQUESTS = 64;
/** How long decisions may keep everything else in this process waiting, in ms. */
const TURN_MS = 8;
/** Whom it helps when a pod goes or ends, when one comes or changes its labels, and when a namespace changes its labels. */
const HELPED_BY_POD_GONE: readonly FilterName[] = [
  'NodeResourcesFit',
  'NodePorts',
  'InterPodAffinity',
  'PodTopologySpread',
];
const HELPED_BY_POD: readonly FilterName[] = ['InterPodAffinity', 'PodTopologySpread'];
const HELPED_BY_NAMESPACE: readonly FilterName[] = ['InterPodAffinity'];

export interface SchedulerDependencies {
  readonly client: RestClient;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Log;
  /** Pods that name another scheduler are left alone. */
  readonly schedulerName: string;
  /** 0 up to 1: chooses among nodes that suit equally well. */
  readonly random?: () => number;
}

/** Binds each pod that has no node to the node that suits it best. */
export class Scheduler {
  readonly #d: SchedulerDependencies;
  readonly #pods: Informer<Pod>;
  readonly #namespaces: Informer<Namespace>;
  readonly #state = new ClusterState();
  readonly #queue = new SchedulingQueue();
  readonly #requests = new Set<Promise<void>>();

  constructor(dependencies: SchedulerDependencies) {
    this.#d = dependencies;
    const { informers } = dependencies;
    this.#pods = informers.for<Pod>(PODS);
    this.#namespaces = informers.for<Namespace>(NAMESPACES);
    this.#pods.handle({
      added: (pod) => this.#podChanged(pod, undefined),
      updated: (pod, previous) => this.#podChanged(pod, previous),
      deleted: (pod) => {
        this.#state.removePod(pod.metadata.uid ?? '');
        this.#queue.delete(keyOfObject(pod));
        if ((pod.spec?.nodeName ?? '') !== '') this.#queue.changed(HELPED_BY_POD_GONE);
      },
    });
    informers.for<Node>(NODES).handle({
      added: (node) => {
        this.#state.setNode(node);
        this.#queue.changed();
      },
      updated: (node, previous) => {
        if (!isRelevantChange(node, previous)) return;
        this.#state.setNode(node);
        this.#queue.changed();
      },
      deleted: (node) => {
        this.#state.removeNode(node.metadata.name ?? '');
        this.#queue.changed(HELPED_BY_POD);
      },
    });
    this.#namespaces.handle({
      updated: (namespace, previous) => {
        if (jsonEqual(namespace.metadata.labels, previous.metadata.labels)) return;
        this.#queue.changed(HELPED_BY_NAMESPACE);
      },
    });
  }

  /** Runs until `signal` aborts; resolves when what was being written then is written. */
  async run(signal: AbortSignal): Promise<void> {
    const close = (): void => this.#queue.close();
    if (signal.aborted) close();
    else signal.addEventListener('abort', close, { once: true });
    let turnEnds = performance.now() + TURN_MS;
    while (!signal.aborted) {
      const key = this.#queue.next();
      if (key === undefined) await this.#queue.waitForNext();
      else this.#schedule(key, signal);
      while (this.#requests.size >= MAX_REQUESTS) await Promise.race(this.#requests);
      if (performance.now() < turnEnds) continue;
      await nextTurn();
      turnEnds = performance.now() + TURN_MS;
    }
    await Promise.all(this.#requests);
  }

  #podChanged(pod: Pod, previous: Pod | undefined): void {
    const key = keyOfObject(pod);
    this.#state.setPod(pod);
    if (isEnded(pod)) {
      this.#queue.delete(key);
      if (previous !== undefined && !isEnded(previous)) this.#queue.changed(HELPED_BY_POD_GONE);
      return;
    }
    if ((pod.spec?.nodeName ?? '') !== '') {
      this.#queue.delete(key);
      const isNew = (previous?.spec?.nodeName ?? '') === '';
      if (isNew || !jsonEqual(pod.metadata.labels, previous?.metadata.labels)) this.#queue.changed(HELPED_BY_POD);
      // A pod that is being resized may ask for less.
      if (!isNew && !jsonEqual(pod.spec, previous?.spec)) this.#queue.changed(HELPED_BY_POD_GONE);
      return;
    }
    if (!this.#isMine(pod)) this.#queue.delete(key);
    // What the apiserver and this scheduler write into its status does not make it fit.
    else if (previous === undefined || !isSameToScheduling(pod, previous)) {
      this.#queue.add(key, pod.spec?.priority ?? 0);
    }
  }

  #isMine(pod: Pod): boolean {
    return (
      (pod.spec?.nodeName ?? '') === '' &&
      pod.metadata.deletionTimestamp === undefined &&
      (pod.spec?.schedulerName ?? 'default-scheduler') === this.#d.schedulerName &&
      (pod.spec?.schedulingGates ?? []).length === 0 &&
      !isEnded(pod)
    );
  }

  /** Decides at once; what follows is written in the background. */
  #schedule(key: string, signal: AbortSignal): void {
    const { namespace, name } = splitKey(key);
    const pod = this.#pods.get(namespace, name);
    if (pod === undefined || !this.#isMine(pod)) {
      this.#queue.delete(key);
      return;
    }
    const info = podInfo(pod);
    if (this.#state.isAssumed(info.uid)) return;
    const situation: Situation = {
      nodes: this.#state.nodes(),
      namespaceLabels: (of) => this.#namespaces.get('', of)?.metadata.labels ?? {},
    };
    const choice = chooseNode(info, situation, this.#d.random ?? Math.random);
    if ('failure' in choice) {
      this.#queue.unschedulable(key, choice.filters);
      this.#inBackground(this.#tellUnschedulable(pod, 'Unschedulable', choice.failure, signal));
      return;
    }
    this.#state.assume(info, choice.nodeName);
    this.#inBackground(this.#bind(key, pod, choice.nodeName, signal));
  }

  async #bind(key: string, pod: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata;
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    };
    try {
      await this.#d.client.createSubresource(PODS, { namespace, name, subresource: 'binding' }, binding, signal);
    } catch (error) {
      this.#state.forget(uid);
      this.#queue.changed(HELPED_BY_POD_GONE);
      if (signal.aborted) return;
      this.#queue.retry(key);
      // The pod is gone, or is another one by now, or has a node: its informer tells.
      if (isCode(error, 'NotFound') || isCode(error, 'Conflict')) return;
      const message = `binding rejected: ${error instanceof Error ? error.message : String(error)}`;
      await this.#tellUnschedulable(pod, 'SchedulerError', message, signal);
      return;
    }
    this.#tell(pod, 'Normal', 'Scheduled', `Successfully assigned ${key} to ${nodeName}`);
  }

  /** In an event each time, and in the pod's condition when it says something else there. */
  async #tellUnschedulable(pod: Pod, reason: string, message: string, signal: AbortSignal): Promise<void> {
    this.#tell(pod, 'Warning', 'FailedScheduling', message);
    const known = (pod.status?.conditions ?? []).find((c) => c.type === 'PodScheduled');
    if (known?.status === 'False' && known.reason === reason && known.message === message) return;
    const { namespace = '', name = '', uid } = pod.metadata;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      lastTransitionTime: known?.status === 'False' ? known.lastTransitionTime : rfc3339(this.#d.clock.now()),
    };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    await this.#d.client.patch(PODS, { namespace, name, subresource: 'status' }, 'strategic', patch, signal);
  }

  #tell(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#d.events.record({ ...pod, apiVersion: 'v1', kind: 'Pod' }, type, reason, message);
  }

  #inBackground(work: Promise<void>): void {
    const watched: Promise<void> = work
      .catch((error: unknown) => this.#d.log.debug('what was decided was not written', { error: String(error) }))
      .finally(() => this.#requests.delete(watched));
    this.#requests.add(watched);
  }
}

/** What of a node can make a waiting pod fit, or counts when it is rated; a heartbeat does not. */
function isRelevantChange(node: Node, previous: Node): boolean {
  const relevant = ({ spec, metadata, status }: Node): unknown => [
    spec,
    metadata.labels,
    status?.allocatable,
    status?.capacity,
  ];
  return !jsonEqual(relevant(node), relevant(previous));
}

function isSameToScheduling(pod: Pod, previous: Pod): boolean {
  return (
    jsonEqual(pod.spec, previous.spec) &&
    jsonEqual(pod.metadata.labels, previous.metadata.labels) &&
    pod.metadata.deletionTimestamp === previous.metadata.deletionTimestamp
  );
}
