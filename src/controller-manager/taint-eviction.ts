import type { Node, Pod, Taint } from '../api/generated/types.ts';
import { jsonEqual } from '../api/json-object.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { type Informer, keyOfObject, splitKey } from '../client/informer.ts';
import { NODES, PODS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';
import { markDisrupted } from './pod-disruption.ts';
import { isPodEnded } from './pod-state.ts';
import { tolerated } from './tolerations.ts';

const WORKERS = 8;

/** Deletes the pods that do not tolerate a `NoExecute` taint of their node, or not any longer. */
export class TaintEvictionController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  readonly #events: EventRecorder;
  /** Since when each pod is known to stand on a tainted node, by UID. */
  readonly #since = new Map<string, number>();

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('taint-eviction', dependencies.log);
    this.#events = dependencies.events.as('taint-eviction-controller');
    this.#nodes = dependencies.informers.for<Node>(NODES);
    this.#pods = dependencies.informers.for<Pod>(PODS);
    this.#nodes.handle({
      added: (node) => this.#offerPodsOn(node),
      updated: (node, previous) => {
        if (!jsonEqual(evicting(node), evicting(previous))) this.#offerPodsOn(node);
      },
    });
    this.#pods.handle({
      added: (pod) => this.#offer(pod),
      updated: (pod, previous) => {
        const { nodeName, tolerations } = pod.spec ?? {};
        if (nodeName === previous.spec?.nodeName && jsonEqual(tolerations, previous.spec?.tolerations)) return;
        this.#offer(pod);
      },
      deleted: (pod) => void this.#since.delete(pod.metadata.uid ?? ''),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  #offer(pod: Pod): void {
    if ((pod.spec?.nodeName ?? '') !== '') this.#queue.add(keyOfObject(pod));
  }

  #offerPodsOn(node: Node): void {
    for (const pod of this.#pods.list()) if (pod.spec?.nodeName === node.metadata.name) this.#offer(pod);
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const pod = this.#pods.get(namespace, name);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || isPodEnded(pod)) return;
    const uid = pod.metadata.uid ?? '';
    const node = this.#nodes.get('', pod.spec?.nodeName ?? '');
    const taints = node === undefined ? [] : evicting(node);
    const allowed = tolerated(pod, taints);
    if (taints.length === 0 || allowed === Number.POSITIVE_INFINITY) {
      if (this.#since.delete(uid)) this.#tell(pod, `Cancelling deletion of Pod ${key}`);
      return;
    }
    const now = this.#d.clock.now();
    const since = this.#since.get(uid) ?? now;
    this.#since.set(uid, since);
    const left = since + allowed - now;
    if (left > 0) {
      this.#queue.addAfter(key, left);
      return;
    }
    this.#tell(pod, `Marking for deletion Pod ${key}`);
    const message = 'Taint manager: deleting due to NoExecute taint';
    await markDisrupted(this.#d, pod, { reason: 'DeletionByTaintManager', message, failed: false }, signal);
    const deleting = this.#d.client.delete(PODS, namespace, name, { preconditions: { uid } }, signal);
    await ignoring(['NotFound', 'Conflict'], deleting);
  }

  #tell(pod: Pod, message: string): void {
    this.#events.record({ ...pod, apiVersion: 'v1', kind: 'Pod' }, 'Normal', 'TaintManagerEviction', message);
  }
}

function evicting(node: Node): Taint[] {
  return (node.spec?.taints ?? []).filter((t) => t.effect === 'NoExecute');
}
