import type { Pod, ReplicaSet } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import { matchesLabelSelector } from '../api/selector/label-selector.ts';
import { type Informer, keyOfObject, splitKey } from '../client/informer.ts';
import { PODS, REPLICA_SETS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { isCode } from '../lib/errors.ts';
import { allOrFirstError } from './all-or-first-error.ts';
import { claimObjects, controllerOf, controllerReference } from './claim.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { EndingNamespaces, ignoring, messageOf } from './expected-errors.ts';
import { PendingWrites } from './pending-writes.ts';
import { PodControl, podFromTemplate } from './pod-control.ts';
import { byDeletionOrder } from './pod-deletion-order.ts';
import { availableIn, isPodActive } from './pod-state.ts';
import { type ReplicaFailure, replicaSetStatus } from './replica-set-status.ts';

const WORKERS = 5;
/** How many pods one pass creates or deletes at most, as Kubernetes' burst. */
const BURST = 500;
/** How soon to look again whether the informers show what was written, when no event says so. */
const RECHECK_MS = 250;

/** Keeps the wanted number of pods of each ReplicaSet. */
export class ReplicaSetController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;
  readonly #pending = new PendingWrites();
  readonly #control: PodControl;
  readonly #ending: EndingNamespaces;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('replicaset', dependencies.log);
    this.#control = new PodControl(dependencies, dependencies.events.as('replicaset-controller'));
    this.#ending = new EndingNamespaces(dependencies.informers);
    this.#sets = dependencies.informers.for<ReplicaSet>(REPLICA_SETS);
    this.#pods = dependencies.informers.for<Pod>(PODS);
    const offer = (rs: ReplicaSet): void => this.#queue.add(keyOfObject(rs));
    this.#sets.handle({
      added: offer,
      updated: offer,
      deleted: (rs) => {
        this.#pending.forget(keyOfObject(rs));
        offer(rs);
      },
    });
    this.#pods.handle({
      added: (pod) => this.#podChanged(pod),
      updated: (pod, previous) => {
        if (controllerOf(pod)?.uid !== controllerOf(previous)?.uid) this.#podChanged(previous);
        this.#podChanged(pod);
      },
      deleted: (pod) => this.#podChanged(pod),
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  #podChanged(pod: Pod): void {
    const owner = controllerOf(pod);
    if (owner !== undefined) {
      if (owner.kind === 'ReplicaSet') this.#queue.add(`${pod.metadata.namespace}/${owner.name}`);
      return;
    }
    // Nobody's pod: one of the sets that select it may adopt it.
    for (const rs of this.#sets.list(pod.metadata.namespace)) {
      if (matchesLabelSelector(rs.spec?.selector, pod.metadata.labels)) this.#queue.add(keyOfObject(rs));
    }
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const rs = this.#sets.get(namespace, name);
    if (rs === undefined) return;
    if (!this.#pending.settled(key)) {
      this.#queue.addAfter(key, RECHECK_MS);
      return;
    }
    const owned = await this.#claim(rs, signal);
    const active = owned.filter(isPodActive);
    const failure =
      rs.metadata.deletionTimestamp === undefined ? await this.#scale(key, rs, active, signal) : undefined;
    await this.#writeStatus(key, rs, owned, failure, signal);
    if (failure !== undefined) throw new Error(failure.message);
  }

  /** Of the pods that run, those that the set may claim; with them those of its own that end or have ended. */
  async #claim(rs: ReplicaSet, signal: AbortSignal): Promise<Pod[]> {
    const claim = {
      client: this.#d.client,
      type: PODS,
      owner: rs,
      ownerType: REPLICA_SETS,
      reference: controllerReference('apps/v1', 'ReplicaSet', rs),
      selector: rs.spec?.selector,
    };
    const all = this.#pods.list(rs.metadata.namespace);
    const active = await claimObjects(claim, all.filter(isPodActive), signal);
    return [...active, ...all.filter((pod) => !isPodActive(pod) && controllerOf(pod)?.uid === rs.metadata.uid)];
  }

  /** Creates or deletes towards the wanted number. */
  async #scale(
    key: string,
    rs: ReplicaSet,
    active: readonly Pod[],
    signal: AbortSignal,
  ): Promise<ReplicaFailure | undefined> {
    const missing = (rs.spec?.replicas ?? 1) - active.length;
    try {
      if (missing > 0) await this.#create(key, rs, Math.min(missing, BURST), signal);
      else if (missing < 0) await this.#delete(key, rs, active, Math.min(-missing, BURST), signal);
      return undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      if (this.#ending.refused(error, rs.metadata.namespace ?? '')) return undefined;
      return { reason: missing > 0 ? 'FailedCreate' : 'FailedDelete', message: messageOf(error) };
    }
  }

  /** In batches that double from one, so that a template that is refused is refused once and not 500 times. */
  async #create(key: string, rs: ReplicaSet, count: number, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = rs.metadata;
    const about = { ...rs, apiVersion: 'apps/v1', kind: 'ReplicaSet' };
    const owner = controllerReference('apps/v1', 'ReplicaSet', rs);
    const createOne = async (): Promise<void> => {
      const pod = podFromTemplate(rs.spec?.template ?? {}, namespace, `${name}-`, owner);
      this.#pending.written(key, this.#pods, await this.#control.create(about, pod, signal));
    };
    let left = count;
    for (let batch = 1; left > 0; batch *= 2) {
      const size = Math.min(batch, left);
      await allOrFirstError(Array.from({ length: size }, createOne));
      left -= size;
    }
  }

  async #delete(
    key: string,
    rs: ReplicaSet,
    active: readonly Pod[],
    count: number,
    signal: AbortSignal,
  ): Promise<void> {
    const about = { ...rs, apiVersion: 'apps/v1', kind: 'ReplicaSet' };
    const order = byDeletionOrder(this.#relatedPods(rs), this.#d.clock.now());
    const deleteOne = async (pod: Pod): Promise<void> => {
      await this.#control.delete(about, pod, signal);
      this.#pending.deleted(key, this.#pods, pod);
    };
    await allOrFirstError([...active].sort(order).slice(0, count).map(deleteOne));
  }

  /** The pods of all sets with the same owner: of a Deployment, the old and the new ones. */
  #relatedPods(rs: ReplicaSet): Pod[] {
    const owner = controllerOf(rs)?.uid;
    const sets = this.#sets
      .list(rs.metadata.namespace)
      .filter((s) => s === rs || (owner !== undefined && controllerOf(s)?.uid === owner));
    const uids = new Set(sets.map((s) => s.metadata.uid ?? ''));
    return this.#pods
      .list(rs.metadata.namespace)
      .filter((pod) => isPodActive(pod) && uids.has(controllerOf(pod)?.uid ?? ''));
  }

  async #writeStatus(
    key: string,
    rs: ReplicaSet,
    owned: readonly Pod[],
    failure: ReplicaFailure | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const now = this.#d.clock.now();
    // A pod becomes available by time alone: no event tells of it.
    const waits = owned
      .filter(isPodActive)
      .map((pod) => availableIn(pod, rs.spec?.minReadySeconds ?? 0, now) ?? 0)
      .filter((wait) => wait > 0);
    if (waits.length > 0) this.#queue.addAfter(key, Math.min(...waits));
    const status = replicaSetStatus(rs, owned, failure, now);
    if (semanticEqual(status, rs.status)) return;
    const writing = this.#d.client.update(REPLICA_SETS, { ...rs, status }, 'status', signal).then((written) => {
      this.#pending.written(key, this.#sets, written);
    });
    await ignoring(['NotFound'], writing).catch((error: unknown) => {
      // Somebody changed the set: the event of that change brings it back here.
      if (!isCode(error, 'Conflict')) throw error;
      this.#queue.addAfter(key, RECHECK_MS);
    });
  }
}
