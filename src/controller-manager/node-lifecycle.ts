import type { Lease, Node, NodeCondition, Pod, Taint } from '../api/generated/types.ts';
import { LEASES, NODES, PODS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { rfc3339 } from '../lib/clock.ts';
import { sleep } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './service-account.ts';

/** Kubernetes' `--node-monitor-period` and `--node-monitor-grace-period`. */
const MONITOR_MS = 5_000;
const GRACE_MS = 50_000;
/** A pod whose node does not exist is removed after this time. */
const LOST_NODE_MS = 40_000;
const LEASE_NAMESPACE = 'kube-node-lease';
const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';

/** Conditions that taint a node while they are True. */
const PRESSURES: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const OWN_TAINTS = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURES)]);

/** Notices nodes that do not answer any more, and taints nodes by their conditions. */
export class NodeLifecycleController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  /** When each lease was last seen to change, by this process's own clock: a node's clock decides nothing. */
  readonly #renewals = new Map<string, { renewTime: string; seenAt: number }>();
  readonly #lostSince = new Map<string, number>();

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('node-lifecycle', dependencies.log);
    const offer = (n: Node): void => this.#queue.add(n.metadata.name ?? '');
    dependencies.informers.for<Node>(NODES).handle({
      added: offer,
      updated: offer,
      deleted: (n) => {
        this.#renewals.delete(n.metadata.name ?? '');
      },
    });
    dependencies.informers.for<Lease>(LEASES, { namespace: LEASE_NAMESPACE }).handle({
      added: (l) => this.#renewed(l),
      updated: (l) => this.#renewed(l),
    });
    dependencies.informers.for<Pod>(PODS);
  }

  async run(signal: AbortSignal): Promise<void> {
    const working = this.#queue.run(4, (name) => this.#sync(name, signal), signal);
    while (await sleep(MONITOR_MS, signal)) {
      for (const node of this.#d.informers.for<Node>(NODES).list()) this.#queue.add(node.metadata.name ?? '');
      await this.#removeLostPods(signal).catch((error: unknown) =>
        this.#d.log.debug('pods of lost nodes were not removed', { error: String(error) }),
      );
    }
    await working;
  }

  #renewed(lease: Lease): void {
    const name = lease.metadata.name ?? '';
    const renewTime = lease.spec?.renewTime ?? '';
    if (this.#renewals.get(name)?.renewTime === renewTime) return;
    this.#renewals.set(name, { renewTime, seenAt: this.#d.clock.now() });
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const node = this.#d.informers.for<Node>(NODES).get('', name);
    if (node === undefined) return;
    const now = this.#d.clock.now();
    let renewal = this.#renewals.get(name);
    if (renewal === undefined) {
      renewal = { renewTime: '', seenAt: now };
      this.#renewals.set(name, renewal);
    }
    const silent = now - renewal.seenAt > GRACE_MS;
    const conditions = silent ? await this.#markUnknown(node, signal) : (node.status?.conditions ?? []);
    await this.#taint(node, conditions, signal);
    if (silent) await this.#markPodsNotReady(name, signal);
  }

  async #markUnknown(node: Node, signal: AbortSignal): Promise<readonly NodeCondition[]> {
    const known = node.status?.conditions ?? [];
    const kinds = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];
    const changed = known
      .filter((c) => kinds.includes(c.type) && c.status !== 'Unknown')
      .map((c) => ({
        ...c,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: rfc3339(this.#d.clock.now()),
      }));
    if (changed.length === 0) return known;
    const where = { namespace: '', name: node.metadata.name ?? '', subresource: 'status' };
    const updated = await this.#d.client.patch(NODES, where, 'strategic', { status: { conditions: changed } }, signal);
    this.#d.events.record(
      { ...node, apiVersion: 'v1', kind: 'Node' },
      'Normal',
      'NodeNotReady',
      `Node ${node.metadata.name} status is now: NodeNotReady`,
    );
    return updated.status?.conditions ?? changed;
  }

  async #taint(node: Node, conditions: readonly NodeCondition[], signal: AbortSignal): Promise<void> {
    const statusOf = (type: string): string | undefined => conditions.find((c) => c.type === type)?.status;
    const wanted: Taint[] = [];
    const ready = statusOf('Ready');
    const key = ready === 'Unknown' ? UNREACHABLE : NOT_READY;
    if (ready !== 'True') wanted.push({ key, effect: 'NoSchedule' }, { key, effect: 'NoExecute' });
    for (const [type, taint] of Object.entries(PRESSURES)) {
      if (statusOf(type) === 'True') wanted.push({ key: taint, effect: 'NoSchedule' });
    }
    if (node.spec?.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
    const known = node.spec?.taints ?? [];
    const same = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;
    const ours = known.filter((t) => OWN_TAINTS.has(t.key));
    if (ours.length === wanted.length && ours.every((t) => wanted.some((w) => same(t, w)))) return;
    const now = rfc3339(this.#d.clock.now());
    const taints = [
      ...known.filter((t) => !OWN_TAINTS.has(t.key)),
      ...wanted.map((w) => known.find((t) => same(t, w)) ?? (w.effect === 'NoExecute' ? { ...w, timeAdded: now } : w)),
    ];
    const { name = '', resourceVersion } = node.metadata;
    const patch = { metadata: { resourceVersion }, spec: { taints: taints.length === 0 ? null : taints } };
    await ignoring(
      ['NotFound', 'Conflict'],
      this.#d.client.patch(NODES, { namespace: '', name }, 'merge', patch, signal),
    );
  }

  /** What runs on a node that does not answer is not ready: services stop sending to it. */
  async #markPodsNotReady(nodeName: string, signal: AbortSignal): Promise<void> {
    for (const pod of this.#d.informers.for<Pod>(PODS).list()) {
      if (pod.spec?.nodeName !== nodeName) continue;
      const ready = pod.status?.conditions?.find((c) => c.type === 'Ready');
      if (ready?.status !== 'True') continue;
      const { namespace = '', name = '', uid } = pod.metadata;
      const condition = {
        ...ready,
        status: 'False',
        reason: 'NodeNotReady',
        lastTransitionTime: rfc3339(this.#d.clock.now()),
      };
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      const where = { namespace, name, subresource: 'status' };
      await ignoring(['NotFound', 'Conflict'], this.#d.client.patch(PODS, where, 'strategic', patch, signal));
    }
  }

  /** A pod whose node has been deleted has nobody to end it. */
  async #removeLostPods(signal: AbortSignal): Promise<void> {
    const nodes = this.#d.informers.for<Node>(NODES);
    const now = this.#d.clock.now();
    const lost = new Set<string>();
    for (const pod of this.#d.informers.for<Pod>(PODS).list()) {
      const nodeName = pod.spec?.nodeName ?? '';
      const { namespace = '', name = '', uid } = pod.metadata;
      if (nodeName === '' || nodes.get('', nodeName) !== undefined || uid === undefined) continue;
      lost.add(uid);
      const since = this.#lostSince.get(uid) ?? now;
      this.#lostSince.set(uid, since);
      if (now - since < LOST_NODE_MS) continue;
      try {
        await this.#d.client.get(NODES, '', nodeName, signal);
      } catch (error) {
        if (!isCode(error, 'NotFound')) throw error;
        const options = { gracePeriodSeconds: 0, preconditions: { uid } };
        await ignoring(['NotFound', 'Conflict'], this.#d.client.delete(PODS, namespace, name, options, signal));
      }
    }
    for (const uid of this.#lostSince.keys()) if (!lost.has(uid)) this.#lostSince.delete(uid);
  }
}
