import type { Node, Pod } from '../../api/generated/types.ts';
import { Informer } from '../../client/informer.ts';
import { NODES, PODS } from '../../client/resources.ts';
import type { RestClient } from '../../client/rest-client.ts';
import { silentLog } from '../../lib/log.ts';
import { readyCondition } from '../pod-state.ts';
import type { TestCluster } from './test-cluster.ts';

export function testNode(name: string, more: Partial<Node> = {}): Node {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...more.metadata?.labels } },
    spec: { ...more.spec },
    status: {
      allocatable: { cpu: '64', memory: '256Gi', pods: '1000' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' }],
      ...more.status,
    },
  };
}

/** A node that reports that it is ready; the taint that every new node has is taken away where no controller does it. */
export async function addNode(admin: RestClient, node: Node): Promise<Node> {
  await admin.create(NODES, { metadata: node.metadata, spec: node.spec });
  const { name = '' } = node.metadata;
  await admin.patch(NODES, { namespace: '', name, subresource: 'status' }, 'merge', { status: node.status });
  const patch = { spec: { taints: node.spec?.taints ?? null } };
  return admin.patch(NODES, { namespace: '', name }, 'merge', patch);
}

/**
 * Pretends to run every pod that has a node: it is ready at once, or when `isReady` says so, and is gone as soon as it is
 * deleted.
 */
export class FakeKubelet {
  /** Asked again for each pod by `refresh`. */
  isReady: (pod: Pod) => boolean = () => true;
  /** Pods that are deleted stay until this says that they have stopped. */
  hasStopped: (pod: Pod) => boolean = () => true;
  readonly #admin: RestClient;
  readonly #pods: Informer<Pod>;
  readonly #busy = new Map<string, Promise<void>>();
  #nextIp = 1;

  private constructor(admin: RestClient) {
    this.#admin = admin;
    this.#pods = new Informer(admin, PODS, {}, silentLog);
    this.#pods.handle({ added: (pod) => this.#offer(pod), updated: (pod) => this.#offer(pod) });
  }

  static async start(cluster: TestCluster): Promise<FakeKubelet> {
    const kubelet = new FakeKubelet(cluster.admin);
    const stop = new AbortController();
    const running = kubelet.#pods.run(stop.signal);
    cluster.onStop(async () => {
      stop.abort();
      await running;
      await Promise.all(kubelet.#busy.values());
    });
    await kubelet.#pods.synced();
    return kubelet;
  }

  refresh(): void {
    for (const pod of this.#pods.list()) this.#offer(pod);
  }

  #offer(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const before = this.#busy.get(uid) ?? Promise.resolve();
    const work = before.then(() => this.#sync(pod)).catch(() => undefined);
    this.#busy.set(uid, work);
    void work.then(() => {
      if (this.#busy.get(uid) === work) this.#busy.delete(uid);
    });
  }

  async #sync(offered: Pod): Promise<void> {
    const { namespace = '', name = '', uid = '' } = offered.metadata;
    const pod = this.#pods.get(namespace, name);
    if (pod === undefined || pod.metadata.uid !== uid || (pod.spec?.nodeName ?? '') === '') return;
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (!this.hasStopped(pod)) return;
      await this.#admin.delete(PODS, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } });
      return;
    }
    const status = this.isReady(pod) ? 'True' : 'False';
    if (pod.status?.phase === 'Running' && readyCondition(pod)?.status === status) return;
    const n = this.#nextIp++;
    const podIP = pod.status?.podIP ?? `10.1.${Math.floor(n / 250)}.${(n % 250) + 1}`;
    const condition = { type: 'Ready', status, lastTransitionTime: new Date().toISOString().replace(/\.\d+Z/, 'Z') };
    const patch = { status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [condition] } };
    await this.#admin.patch(PODS, { namespace, name, subresource: 'status' }, 'strategic', patch);
  }
}
