import type { Deployment, DeploymentStatus, Pod, ReplicaSet } from '../api/generated/types.ts';
import { semanticEqual } from '../api/json-object.ts';
import { matchesLabelSelector } from '../api/selector/label-selector.ts';
import { type Informer, keyOfObject, splitKey } from '../client/informer.ts';
import { DEPLOYMENTS, PODS, REPLICA_SETS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { isCode } from '../lib/errors.ts';
import { claimObjects, controllerOf, controllerReference } from './claim.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { revisionOf } from './deployment-annotations.ts';
import {
  byAge,
  isRecreate,
  isScaled,
  recreateSteps,
  replicasOf,
  rollingSteps,
  sameTemplate,
  scalingSteps,
} from './deployment-rollout.ts';
import { DeploymentSets, type Rollout } from './deployment-sets.ts';
import {
  countedStatus,
  isComplete,
  judgeFailures,
  judgeProgress,
  progressDeadline,
  StatusDraft,
} from './deployment-status.ts';
import { ignoring } from './expected-errors.ts';
import { PendingWrites } from './pending-writes.ts';
import { isPodEnded } from './pod-state.ts';

const WORKERS = 5;
/** How soon to look again whether the informers show what was written, when no event says so. */
const RECHECK_MS = 250;
/** "Keep all", as Kubernetes has it. */
const NO_HISTORY_LIMIT = 2 ** 31 - 1;

/** Rolls each Deployment out by scaling a ReplicaSet for each of its templates. */
export class DeploymentController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #deployments: Informer<Deployment>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;
  readonly #pending = new PendingWrites();
  readonly #writer: DeploymentSets;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('deployment', dependencies.log);
    const { informers } = dependencies;
    this.#deployments = informers.for<Deployment>(DEPLOYMENTS);
    this.#sets = informers.for<ReplicaSet>(REPLICA_SETS);
    this.#pods = informers.for<Pod>(PODS);
    this.#writer = new DeploymentSets(dependencies, this.#deployments, this.#sets, this.#pending);
    const offer = (d: Deployment): void => this.#queue.add(keyOfObject(d));
    this.#deployments.handle({
      added: offer,
      updated: offer,
      deleted: (d) => {
        this.#pending.forget(keyOfObject(d));
        offer(d);
      },
    });
    this.#sets.handle({
      added: (rs) => this.#setChanged(rs),
      updated: (rs, previous) => {
        if (controllerOf(rs)?.uid !== controllerOf(previous)?.uid) this.#setChanged(previous);
        this.#setChanged(rs);
      },
      deleted: (rs) => this.#setChanged(rs),
    });
    // `Recreate` waits for the last old pod, which its set may not live to report.
    this.#pods.handle({ deleted: (pod) => this.#podGone(pod) });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  #setChanged(rs: ReplicaSet): void {
    const owner = controllerOf(rs);
    if (owner !== undefined) {
      if (owner.kind === 'Deployment') this.#queue.add(`${rs.metadata.namespace}/${owner.name}`);
      return;
    }
    for (const deployment of this.#deployments.list(rs.metadata.namespace)) {
      if (matchesLabelSelector(deployment.spec?.selector, rs.metadata.labels)) this.#queue.add(keyOfObject(deployment));
    }
  }

  #podGone(pod: Pod): void {
    for (const deployment of this.#deployments.list(pod.metadata.namespace)) {
      if (isRecreate(deployment) && matchesLabelSelector(deployment.spec?.selector, pod.metadata.labels)) {
        this.#queue.add(keyOfObject(deployment));
      }
    }
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const deployment = this.#deployments.get(namespace, name);
    if (deployment === undefined) return;
    if (!this.#pending.settled(key)) {
      this.#queue.addAfter(key, RECHECK_MS);
      return;
    }
    try {
      await this.#advance(key, deployment, signal);
    } catch (error) {
      // Somebody changed what the cache shows: the event of that change brings the deployment back.
      if (!isCode(error, 'Conflict')) throw error;
      this.#queue.addAfter(key, RECHECK_MS);
    }
  }

  async #advance(key: string, deployment: Deployment, signal: AbortSignal): Promise<void> {
    const sets = await this.#claim(deployment, signal);
    const fresh = sets.find((rs) => sameTemplate(rs.spec?.template, deployment.spec?.template));
    const draft = new StatusDraft(deployment.status?.conditions ?? [], this.#d.clock.now());
    const rollout: Rollout = { key, deployment, fresh, old: sets.filter((rs) => rs !== fresh), draft };
    let rolling: boolean;
    try {
      rolling = deployment.metadata.deletionTimestamp === undefined && (await this.#act(rollout, signal));
    } catch (error) {
      // Why there is no new set is told in a condition.
      if (!signal.aborted) await this.#writeStatus(rollout, false, signal).catch(() => undefined);
      throw error;
    }
    await this.#writeStatus(rollout, rolling, signal);
  }

  /** The sets of the deployment, oldest first. */
  async #claim(deployment: Deployment, signal: AbortSignal): Promise<ReplicaSet[]> {
    const claim = {
      client: this.#d.client,
      type: REPLICA_SETS,
      owner: deployment,
      ownerType: DEPLOYMENTS,
      reference: controllerReference('apps/v1', 'Deployment', deployment),
      selector: deployment.spec?.selector,
    };
    return byAge(await claimObjects(claim, this.#sets.list(deployment.metadata.namespace), signal));
  }

  /** True when a rollout goes on, whose progress is to be judged. */
  async #act(rollout: Rollout, signal: AbortSignal): Promise<boolean> {
    const { deployment, old } = rollout;
    notePause(rollout);
    const paused = deployment.spec?.paused === true;
    if (paused || isScaled(deployment, setsOf(rollout))) {
      await this.#writer.markRevision(rollout, signal);
      await this.#writer.apply(rollout, scalingSteps(deployment, rollout.fresh, old), signal);
      if (paused) await this.#cleanUp(rollout, signal);
      return false;
    }
    if (isRecreate(deployment)) await this.#recreate(rollout, signal);
    else await this.#roll(rollout, signal);
    return true;
  }

  async #roll(rollout: Rollout, signal: AbortSignal): Promise<void> {
    await this.#writer.ensureNewSet(rollout, signal);
    const { deployment, fresh, old } = rollout;
    if (fresh === undefined) return;
    const steps = rollingSteps(deployment, fresh, old);
    await this.#writer.apply(rollout, steps, signal);
    if (steps.length === 0) await this.#cleanUpWhenComplete(rollout, signal);
  }

  async #recreate(rollout: Rollout, signal: AbortSignal): Promise<void> {
    await this.#writer.markRevision(rollout, signal);
    const down = recreateSteps(rollout.deployment, undefined, rollout.old);
    await this.#writer.apply(rollout, down, signal);
    if (down.length > 0 || this.#oldPodsRun(rollout)) return;
    await this.#writer.ensureNewSet(rollout, signal);
    const up = recreateSteps(rollout.deployment, rollout.fresh, rollout.old);
    await this.#writer.apply(rollout, up, signal);
    if (up.length === 0) await this.#cleanUpWhenComplete(rollout, signal);
  }

  #oldPodsRun({ deployment, old }: Rollout): boolean {
    // A set that has not seen yet that it shall have none may be making pods.
    const isSettled = (rs: ReplicaSet): boolean =>
      (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0) && (rs.status?.replicas ?? 0) === 0;
    if (!old.every(isSettled)) return true;
    const uids = new Set(old.map((rs) => rs.metadata.uid));
    return this.#pods
      .list(deployment.metadata.namespace)
      .some((pod) => !isPodEnded(pod) && uids.has(controllerOf(pod)?.uid ?? ''));
  }

  async #cleanUpWhenComplete(rollout: Rollout, signal: AbortSignal): Promise<void> {
    const { deployment, fresh, draft } = rollout;
    const status = countedStatus(deployment, fresh, setsOf(rollout), draft);
    if (isComplete(deployment, status)) await this.#cleanUp(rollout, signal);
  }

  /** Deletes the oldest sets beyond `revisionHistoryLimit`; those that still have pods wait. */
  async #cleanUp({ deployment, old }: Rollout, signal: AbortSignal): Promise<void> {
    const limit = deployment.spec?.revisionHistoryLimit ?? NO_HISTORY_LIMIT;
    if (limit === NO_HISTORY_LIMIT) return;
    const kept = old.filter((rs) => rs.metadata.deletionTimestamp === undefined);
    const surplus = [...kept].sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, kept.length - limit));
    for (const rs of surplus) {
      const seen = (rs.status?.observedGeneration ?? 0) >= (rs.metadata.generation ?? 0);
      if (replicasOf(rs) > 0 || (rs.status?.replicas ?? 0) > 0 || !seen) continue;
      const { namespace = '', name = '', uid = '' } = rs.metadata;
      const deleting = this.#d.client.delete(REPLICA_SETS, namespace, name, { preconditions: { uid } }, signal);
      await ignoring(['NotFound', 'Conflict'], deleting);
    }
  }

  async #writeStatus(rollout: Rollout, rolling: boolean, signal: AbortSignal): Promise<void> {
    const { deployment, fresh, draft, key } = rollout;
    const sets = setsOf(rollout);
    const counts = countedStatus(deployment, fresh, sets, draft);
    if (rolling) {
      const again = judgeProgress(deployment, fresh, counts, draft, this.#d.clock.now());
      if (again !== undefined) this.#queue.addAfter(key, again);
      judgeFailures(fresh, sets, draft);
    }
    const status = withoutZeros({ ...counts, conditions: [...draft.conditions] });
    if (semanticEqual(status, withoutZeros(deployment.status ?? {}))) return;
    const writing = this.#d.client
      .update(DEPLOYMENTS, { ...deployment, status }, 'status', signal)
      .then((written) => this.#pending.written(key, this.#deployments, written));
    await ignoring(['NotFound'], writing);
  }
}

function setsOf({ fresh, old }: Rollout): readonly ReplicaSet[] {
  return fresh === undefined ? old : [...old, fresh];
}

/** A pause, and its end, stop the clock of the progress deadline. */
function notePause({ deployment, draft }: Rollout): void {
  if (progressDeadline(deployment) === undefined) return;
  const known = draft.find('Progressing');
  // That there was no progress is not forgotten because of a pause.
  if (known?.reason === 'ProgressDeadlineExceeded') return;
  const pausedBefore = known?.reason === 'DeploymentPaused';
  if (deployment.spec?.paused === true && !pausedBefore) {
    draft.set('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused');
  } else if (deployment.spec?.paused !== true && pausedBefore) {
    draft.set('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed');
  }
}

/** Kubernetes shows no counts of zero, but for the terminating ones. */
function withoutZeros(status: DeploymentStatus): DeploymentStatus {
  const shown = Object.entries(status).filter(([key, value]) => value !== 0 || key === 'terminatingReplicas');
  return Object.fromEntries(shown) as DeploymentStatus;
}
