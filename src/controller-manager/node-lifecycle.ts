import type { Lease, Node, NodeCondition, Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Informer } from '../client/informer.ts';
import { LEASES, NODES, PODS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { rfc3339 } from '../lib/clock.ts';
import { sleep } from '../lib/deadline.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';
import { NodeHealth, unknownConditions } from './node-health.ts';
import { missingLabels } from './node-labels.ts';
import { isEvicting, readyStatus, replaceTaints, wantedTaints } from './node-taints.ts';
import { evictionInterval, isEverythingLost, zoneOf } from './node-zones.ts';
import { readyCondition } from './pod-state.ts';

export interface NodeLifecycleTimings {
  /** How often every node is looked at. */
  readonly monitorMs: number;
  /** Silence after which nobody knows whether a node lives; of one that has never reported, `startupGraceMs`. */
  readonly graceMs: number;
  readonly startupGraceMs: number;
  /** From one node of a zone whose pods have to leave to the next: a fault that takes many must not move all their pods at once. */
  readonly evictionIntervalMs: number;
}

/** Kubernetes' defaults. */
const TIMINGS: NodeLifecycleTimings = {
  monitorMs: 5_000,
  graceMs: 50_000,
  startupGraceMs: 60_000,
  evictionIntervalMs: 10_000,
};
const WORKERS = 4;
const LEASE_NAMESPACE = 'kube-node-lease';

/** Notices nodes that do not answer any more, and taints nodes by their conditions. */
export class NodeLifecycleController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #timings: NodeLifecycleTimings;
  readonly #queue: WorkQueue;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  readonly #health = new NodeHealth();
  readonly #events: EventRecorder;
  /** By zone. */
  readonly #lastEvictions = new Map<string, number>();

  constructor(dependencies: ControllerDependencies, timings = TIMINGS) {
    this.#d = dependencies;
    this.#timings = timings;
    this.#queue = new WorkQueue('node-lifecycle', dependencies.log);
    this.#events = dependencies.events.as('node-controller');
    const { informers, clock } = dependencies;
    this.#nodes = informers.for<Node>(NODES);
    this.#pods = informers.for<Pod>(PODS);
    const seen = (node: Node): void => {
      this.#health.seenNode(node, clock.now());
      this.#queue.add(node.metadata.name ?? '');
    };
    this.#nodes.handle({
      added: (node) => {
        const { name } = node.metadata;
        this.#tell(node, 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`);
        seen(node);
      },
      updated: seen,
      deleted: (node) => {
        const { name = '' } = node.metadata;
        this.#tell(node, 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`);
        this.#health.forget(name);
      },
    });
    const renewed = (lease: Lease): void => this.#health.seenLease(lease, clock.now());
    informers.for<Lease>(LEASES, { namespace: LEASE_NAMESPACE }).handle({ added: renewed, updated: renewed });
  }

  async run(signal: AbortSignal): Promise<void> {
    const working = this.#queue.run(WORKERS, (name) => this.#sync(name, signal), signal);
    while (await sleep(this.#timings.monitorMs, signal)) {
      for (const node of this.#nodes.list()) this.#queue.add(node.metadata.name ?? '');
    }
    await working;
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const node = this.#nodes.get('', name);
    if (node === undefined) return;
    const known = node.status?.conditions ?? [];
    const grace = readyStatus(known) === undefined ? this.#timings.startupGraceMs : this.#timings.graceMs;
    const isSilent = this.#health.silence(name, this.#d.clock.now()) > grace;
    const conditions = isSilent ? await this.#markUnknown(node, signal) : known;
    await this.#taint(node, conditions, signal);
    await this.#label(node, signal);
    if (isSilent) await this.#markPodsNotReady(name, signal);
  }

  /** The conditions as they are afterwards. */
  async #markUnknown(node: Node, signal: AbortSignal): Promise<readonly NodeCondition[]> {
    const known = node.status?.conditions ?? [];
    const changed = unknownConditions(node, this.#d.clock.now());
    if (changed === undefined) return known;
    const { name = '', uid, resourceVersion } = node.metadata;
    const where = { namespace: '', name, subresource: 'status' };
    // Against the very version that was judged: what the kubelet says at this moment is not overwritten.
    const patch = { metadata: { uid, resourceVersion }, status: { conditions: changed } };
    const updated = await this.#d.client.patch(NODES, where, 'strategic', patch, signal);
    if (readyStatus(known) === 'True') this.#tell(node, 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
    return updated.status?.conditions ?? changed;
  }

  /** What is known may be old: whether there is something to do is guessed by it, what to do is decided by what is stored. */
  async #taint(node: Node, conditions: readonly NodeCondition[], signal: AbortSignal): Promise<void> {
    const now = this.#d.clock.now();
    const evict = this.#mayEvict(node, conditions, now);
    if (replaceTaints(node, wantedTaints(node, conditions, evict), now) === undefined) return;
    const { name = '', uid } = node.metadata;
    const tainting = async (): Promise<void> => {
      const current = await this.#d.client.get(NODES, '', name, signal);
      if (current.metadata.uid === uid) await this.#replaceTaints(current, signal);
    };
    await ignoring(['NotFound'], tainting());
  }

  async #replaceTaints(current: Node, signal: AbortSignal): Promise<void> {
    const now = this.#d.clock.now();
    const conditions = current.status?.conditions ?? [];
    const evict = this.#mayEvict(current, conditions, now);
    const taints = replaceTaints(current, wantedTaints(current, conditions, evict), now);
    if (taints === undefined) return;
    const { name = '', uid, resourceVersion } = current.metadata;
    const patch = { metadata: { uid, resourceVersion }, spec: { taints: taints.length === 0 ? null : taints } };
    const zone = zoneOf(current);
    const before = this.#lastEvictions.get(zone) ?? Number.NEGATIVE_INFINITY;
    const isNext = evict && !isEvicting(current);
    if (isNext) this.#lastEvictions.set(zone, now);
    try {
      await this.#d.client.patch(NODES, { namespace: '', name }, 'merge', patch, signal);
    } catch (error) {
      // Its turn is not over: nothing has happened.
      if (isNext) this.#lastEvictions.set(zone, before);
      throw error;
    }
  }

  async #label(node: Node, signal: AbortSignal): Promise<void> {
    const labels = missingLabels(node);
    if (labels === undefined) return;
    const { name = '', uid } = node.metadata;
    const labelling = this.#d.client.patch(
      NODES,
      { namespace: '', name },
      'merge',
      { metadata: { uid, labels } },
      signal,
    );
    await ignoring(['NotFound', 'Conflict'], labelling);
  }

  /** One node after the other, and none when none answers. */
  #mayEvict(node: Node, conditions: readonly NodeCondition[], now: number): boolean {
    const ready = readyStatus(conditions);
    const nodes = this.#nodes.list();
    if (ready === 'True' || ready === undefined || isEverythingLost(nodes)) return false;
    if (isEvicting(node)) return true;
    const interval = evictionInterval(zoneOf(node), nodes, this.#timings.evictionIntervalMs);
    return (
      interval !== undefined && now - (this.#lastEvictions.get(zoneOf(node)) ?? Number.NEGATIVE_INFINITY) >= interval
    );
  }

  /** What runs on a node that does not answer is not ready: services stop sending to it. */
  async #markPodsNotReady(nodeName: string, signal: AbortSignal): Promise<void> {
    for (const pod of this.#pods.list()) {
      const ready = readyCondition(pod);
      if (pod.spec?.nodeName !== nodeName || ready?.status !== 'True') continue;
      const { namespace = '', name = '', uid } = pod.metadata;
      const condition = { ...ready, status: 'False', lastTransitionTime: rfc3339(this.#d.clock.now()) };
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      const where = { namespace, name, subresource: 'status' };
      const marking = this.#d.client.patch(PODS, where, 'strategic', patch, signal).then(() => {
        const about = { ...pod, apiVersion: 'v1', kind: 'Pod' };
        this.#events.record(about, 'Warning', 'NodeNotReady', 'Node is not ready');
      });
      await ignoring(['NotFound', 'Conflict'], marking);
    }
  }

  #tell(node: Node, reason: string, message: string): void {
    this.#events.record({ ...node, apiVersion: 'v1', kind: 'Node' }, 'Normal', reason, message);
  }
}
