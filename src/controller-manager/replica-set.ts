import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '../api/generated/types.ts';
import { labelSelectorFrom } from '../api/selector/label-selector.ts';
import { keyOfObject, splitKey } from '../client/informer.ts';
import { PODS, REPLICA_SETS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { rfc3339 } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import {
  availableIn,
  controllerOf,
  createPod,
  deletePod,
  Expectations,
  isPodActive,
  isPodReady,
  podFromTemplate,
} from './pod-control.ts';
import { ignoring } from './service-account.ts';

const WORKERS = 5;
/** How many pods one pass creates or deletes at most, as Kubernetes' burst. */
const BURST = 500;
/** Pods are created in batches that double from this, so that a template that is refused is refused once, not 500 times. */
const FIRST_BATCH = 1;

/** Keeps the wanted number of pods of each ReplicaSet. */
export class ReplicaSetController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #expected = new Expectations();

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('replicaset', dependencies.log);
    const offer = (rs: ReplicaSet): void => this.#queue.add(keyOfObject(rs));
    dependencies.informers.for<ReplicaSet>(REPLICA_SETS).handle({
      added: offer,
      updated: offer,
      deleted: (rs) => {
        this.#expected.forget(keyOfObject(rs));
        offer(rs);
      },
    });
    dependencies.informers.for<Pod>(PODS).handle({
      added: (pod) => this.#podSeen(pod),
      updated: (pod, previous) => {
        this.#podSeen(pod);
        if (pod.metadata.deletionTimestamp !== undefined)
          this.#expected.deleted(this.#ownerKey(pod) ?? '', pod.metadata.uid ?? '');
        if (this.#ownerKey(previous) !== this.#ownerKey(pod)) this.#podSeen(previous);
      },
      deleted: (pod) => {
        this.#expected.deleted(this.#ownerKey(pod) ?? '', pod.metadata.uid ?? '');
        this.#podSeen(pod);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  #ownerKey(pod: Pod): string | undefined {
    const owner = controllerOf(pod);
    return owner?.kind === 'ReplicaSet' ? `${pod.metadata.namespace}/${owner.name}` : undefined;
  }

  #podSeen(pod: Pod): void {
    const key = this.#ownerKey(pod);
    if (key !== undefined) {
      this.#expected.created(key, pod.metadata.name ?? '');
      this.#queue.add(key);
      return;
    }
    if (controllerOf(pod) !== undefined) return;
    // Nobody's pod: one of the ReplicaSets that select it may adopt it.
    for (const rs of this.#d.informers.for<ReplicaSet>(REPLICA_SETS).list(pod.metadata.namespace)) {
      if (labelSelectorFrom(rs.spec?.selector).matches(pod.metadata.labels)) this.#queue.add(keyOfObject(rs));
    }
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const rs = this.#d.informers.for<ReplicaSet>(REPLICA_SETS).get(namespace, name);
    if (rs === undefined) return;
    const owned = await this.#claim(rs, signal);
    const active = owned.filter(isPodActive);
    let failure: { reason: string; message: string } | undefined;
    if (rs.metadata.deletionTimestamp === undefined && this.#expected.satisfied(key)) {
      failure = await this.#scale(key, rs, active, signal);
    }
    await this.#writeStatus(key, rs, active, owned.length - active.length, failure, signal);
    if (failure !== undefined) throw new Error(failure.message);
  }

  /** The pods that the set owns, after adopting those that are nobody's and releasing those that do not match any more. */
  async #claim(rs: ReplicaSet, signal: AbortSignal): Promise<Pod[]> {
    const selector = labelSelectorFrom(rs.spec?.selector);
    const { namespace = '', uid = '', name = '' } = rs.metadata;
    const owned: Pod[] = [];
    for (const pod of this.#d.informers.for<Pod>(PODS).list(namespace)) {
      const owner = controllerOf(pod);
      const matches = selector.matches(pod.metadata.labels);
      const where = { namespace, name: pod.metadata.name ?? '' };
      if (owner?.uid === uid) {
        if (matches) owned.push(pod);
        else if (pod.metadata.deletionTimestamp === undefined) {
          const patch = { metadata: { uid: pod.metadata.uid, ownerReferences: [{ $patch: 'delete', uid }] } };
          await ignoring(['NotFound', 'Conflict'], this.#d.client.patch(PODS, where, 'strategic', patch, signal));
        }
      } else if (owner === undefined && matches && isPodActive(pod) && rs.metadata.deletionTimestamp === undefined) {
        const reference = {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        };
        const patch = { metadata: { uid: pod.metadata.uid, ownerReferences: [reference] } };
        await ignoring(['NotFound', 'Conflict'], this.#d.client.patch(PODS, where, 'strategic', patch, signal));
        owned.push(pod);
      }
    }
    return owned;
  }

  async #scale(
    key: string,
    rs: ReplicaSet,
    active: readonly Pod[],
    signal: AbortSignal,
  ): Promise<{ reason: string; message: string } | undefined> {
    const difference = active.length - (rs.spec?.replicas ?? 1);
    const about = { ...rs, apiVersion: 'apps/v1', kind: 'ReplicaSet' };
    try {
      if (difference < 0) await this.#create(key, rs, Math.min(-difference, BURST), signal);
      else if (difference > 0) {
        const surplus = [...active].sort(byDeletionOrder(active)).slice(0, Math.min(difference, BURST));
        await Promise.all(
          surplus.map((pod) => {
            this.#expected.expectDeletion(key, pod.metadata.uid ?? '');
            return deletePod(this.#d, about, pod, signal).catch((error: unknown) => {
              this.#expected.deleted(key, pod.metadata.uid ?? '');
              throw error;
            });
          }),
        );
      }
      return undefined;
    } catch (error) {
      if (isCode(error, 'NotFound')) return undefined;
      const message = error instanceof Error ? error.message : String(error);
      return { reason: difference < 0 ? 'FailedCreate' : 'FailedDelete', message };
    }
  }

  async #create(key: string, rs: ReplicaSet, count: number, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid = '' } = rs.metadata;
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true, blockOwnerDeletion: true };
    const about = { ...rs, apiVersion: 'apps/v1', kind: 'ReplicaSet' };
    const pods = this.#d.informers.for<Pod>(PODS);
    let left = count;
    for (let batch = FIRST_BATCH; left > 0; batch = Math.min(batch * 2, left)) {
      const size = Math.min(batch, left);
      await Promise.all(
        Array.from({ length: size }, async () => {
          const pod = podFromTemplate(rs.spec?.template ?? {}, namespace, `${name}-`, owner);
          const created = await createPod(this.#d, about, pod, signal);
          const podName = created.metadata.name ?? '';
          if (pods.get(namespace, podName) === undefined) this.#expected.expectCreation(key, podName);
        }),
      );
      left -= size;
      if (left <= 0) return;
    }
  }

  async #writeStatus(
    key: string,
    rs: ReplicaSet,
    active: readonly Pod[],
    terminating: number,
    failure: { reason: string; message: string } | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const now = this.#d.clock.now();
    const minReady = rs.spec?.minReadySeconds ?? 0;
    const waits = active.map((p) => availableIn(p, minReady, now));
    const labels = Object.entries(rs.spec?.template?.metadata?.labels ?? {});
    const conditions: ReplicaSetCondition[] = (rs.status?.conditions ?? []).filter((c) => c.type !== 'ReplicaFailure');
    if (failure !== undefined) {
      const known = rs.status?.conditions?.find((c) => c.type === 'ReplicaFailure');
      conditions.push({
        type: 'ReplicaFailure',
        status: 'True',
        ...failure,
        lastTransitionTime: known?.lastTransitionTime ?? rfc3339(now),
      });
    }
    const status: ReplicaSetStatus = {
      replicas: active.length,
      fullyLabeledReplicas: active.filter((p) => labels.every(([k, v]) => p.metadata.labels?.[k] === v)).length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: waits.filter((w) => w === 0).length,
      terminatingReplicas: terminating,
      observedGeneration: rs.metadata.generation ?? 0,
      ...(conditions.length === 0 ? {} : { conditions }),
    };
    const soon = waits.filter((w) => w !== undefined && w > 0) as number[];
    if (soon.length > 0) this.#queue.addAfter(key, Math.min(...soon));
    if (
      Object.entries(status).every(([k, v]) => same(rs.status?.[k as keyof ReplicaSetStatus], v)) &&
      conditions.length === (rs.status?.conditions ?? []).length
    )
      return;
    await ignoring(['NotFound', 'Conflict'], this.#d.client.update(REPLICA_SETS, { ...rs, status }, 'status', signal));
  }
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b) || (a === undefined && b === 0);
}

/** Kubernetes' order of what goes first: without a node, pending, not ready, on crowded nodes, cheap, younger, more restarts. */
function byDeletionOrder(all: readonly Pod[]): (a: Pod, b: Pod) => number {
  const crowd = new Map<string, number>();
  for (const pod of all) crowd.set(pod.spec?.nodeName ?? '', (crowd.get(pod.spec?.nodeName ?? '') ?? 0) + 1);
  const phases = ['Pending', 'Unknown', 'Running'];
  const rank = (pod: Pod): number[] => [
    (pod.spec?.nodeName ?? '') === '' ? 0 : 1,
    phases.indexOf(pod.status?.phase ?? 'Unknown'),
    isPodReady(pod) ? 1 : 0,
    Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0),
    -(crowd.get(pod.spec?.nodeName ?? '') ?? 0),
    -Date.parse(pod.metadata.creationTimestamp ?? ''),
    -Math.max(0, ...(pod.status?.containerStatuses ?? []).map((s) => s.restartCount)),
  ];
  return (a, b) => {
    const [x, y] = [rank(a), rank(b)];
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
    return 0;
  };
}
