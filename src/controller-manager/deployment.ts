import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../api/generated/types.ts';
import { labelSelectorFrom } from '../api/selector/label-selector.ts';
import { keyOfObject, splitKey } from '../client/informer.ts';
import { DEPLOYMENTS, REPLICA_SETS } from '../client/resources.ts';
import { WorkQueue } from '../client/workqueue.ts';
import { rfc3339 } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import {
  proportionalSteps,
  REVISION_ANNOTATION,
  recreateSteps,
  revisionOf,
  rollingSteps,
  rolloutLimits,
  type ScaleStep,
  sameTemplate,
  sizeAnnotations,
  TEMPLATE_HASH_LABEL,
  templateHash,
} from './deployment-rollout.ts';
import { controllerOf } from './pod-control.ts';
import { ignoring } from './service-account.ts';

const WORKERS = 5;
/** Not copied from a deployment to its sets. */
const OWN_ANNOTATIONS = [REVISION_ANNOTATION, 'kubectl.kubernetes.io/last-applied-configuration'];

/** Rolls each Deployment out by scaling a ReplicaSet for each of its templates. */
export class DeploymentController implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    this.#queue = new WorkQueue('deployment', dependencies.log);
    const offer = (d: Deployment): void => this.#queue.add(keyOfObject(d));
    dependencies.informers.for<Deployment>(DEPLOYMENTS).handle({ added: offer, updated: offer, deleted: offer });
    const setChanged = (rs: ReplicaSet): void => {
      const owner = controllerOf(rs);
      if (owner?.kind === 'Deployment') this.#queue.add(`${rs.metadata.namespace}/${owner.name}`);
    };
    dependencies.informers
      .for<ReplicaSet>(REPLICA_SETS)
      .handle({ added: setChanged, updated: setChanged, deleted: setChanged });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(WORKERS, (key) => this.#sync(key, signal), signal);
  }

  async #sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const deployment = this.#d.informers.for<Deployment>(DEPLOYMENTS).get(namespace, name);
    if (deployment === undefined) return;
    const sets = await this.#claim(deployment, signal);
    const fresh = sets.find((rs) => sameTemplate(rs.spec?.template, deployment.spec?.template));
    const old = sets.filter((rs) => rs !== fresh);
    if (deployment.metadata.deletionTimestamp !== undefined) {
      await this.#writeStatus(key, deployment, fresh, sets, signal);
      return;
    }
    const proportional = proportionalSteps(deployment, sets);
    if (deployment.spec?.paused === true || proportional.length > 0) {
      await this.#apply(deployment, proportional, signal);
      await this.#writeStatus(key, deployment, fresh, sets, signal);
      return;
    }
    const recreate = deployment.spec?.strategy?.type === 'Recreate';
    const current = fresh ?? (recreate && old.some(hasPods) ? undefined : await this.#create(deployment, old, signal));
    if (current === undefined) {
      const drain = old.filter((rs) => (rs.spec?.replicas ?? 0) > 0).map((rs) => ({ rs, replicas: 0 }));
      await this.#apply(deployment, drain, signal);
    } else {
      const revised = await this.#markRevision(deployment, current, old, signal);
      const steps = recreate ? recreateSteps(deployment, revised, old) : rollingSteps(deployment, revised, old);
      await this.#apply(deployment, steps, signal);
      if (isComplete(deployment, revised, old)) await this.#cleanUp(deployment, old, signal);
    }
    await this.#writeStatus(key, deployment, current, current === undefined ? old : [current, ...old], signal);
  }

  async #claim(deployment: Deployment, signal: AbortSignal): Promise<ReplicaSet[]> {
    const { namespace = '', name = '', uid = '' } = deployment.metadata;
    const selector = labelSelectorFrom(deployment.spec?.selector);
    const owned: ReplicaSet[] = [];
    for (const rs of this.#d.informers.for<ReplicaSet>(REPLICA_SETS).list(namespace)) {
      const owner = controllerOf(rs);
      const matches = selector.matches(rs.metadata.labels);
      const where = { namespace, name: rs.metadata.name ?? '' };
      if (owner?.uid === uid) {
        if (matches) owned.push(rs);
        else {
          const patch = { metadata: { uid: rs.metadata.uid, ownerReferences: [{ $patch: 'delete', uid }] } };
          await ignoring(
            ['NotFound', 'Conflict'],
            this.#d.client.patch(REPLICA_SETS, where, 'strategic', patch, signal),
          );
        }
      } else if (owner === undefined && matches && deployment.metadata.deletionTimestamp === undefined) {
        const reference = {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        };
        const patch = { metadata: { uid: rs.metadata.uid, ownerReferences: [reference] } };
        await ignoring(['NotFound', 'Conflict'], this.#d.client.patch(REPLICA_SETS, where, 'strategic', patch, signal));
      }
    }
    return owned.sort((a, b) => revisionOf(a) - revisionOf(b));
  }

  async #create(
    deployment: Deployment,
    old: readonly ReplicaSet[],
    signal: AbortSignal,
  ): Promise<ReplicaSet | undefined> {
    const { namespace = '', name = '', uid = '' } = deployment.metadata;
    const template = deployment.spec?.template ?? {};
    const hash = templateHash(template, deployment.status?.collisionCount ?? 0);
    const labels = { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash };
    const selector = deployment.spec?.selector ?? {};
    const initial: ReplicaSet = {
      metadata: {
        namespace,
        name: `${name}-${hash}`,
        labels,
        annotations: {
          ...withoutOwn(deployment.metadata.annotations),
          ...sizeAnnotations(deployment),
          [REVISION_ANNOTATION]: String(Math.max(0, ...old.map(revisionOf)) + 1),
        },
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true },
        ],
      },
      spec: {
        replicas: 0,
        minReadySeconds: deployment.spec?.minReadySeconds,
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH_LABEL]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    const steps =
      deployment.spec?.strategy?.type === 'Recreate'
        ? recreateSteps(deployment, initial, old)
        : rollingSteps(deployment, initial, old);
    const replicas = steps.find((s) => s.rs === initial)?.replicas ?? 0;
    try {
      const created = await this.#d.client.create(
        REPLICA_SETS,
        { ...initial, spec: { ...initial.spec!, replicas } },
        signal,
      );
      this.#event(
        deployment,
        'ScalingReplicaSet',
        `Scaled up replica set ${created.metadata.name} from 0 to ${replicas}`,
      );
      return created;
    } catch (error) {
      if (!isCode(error, 'AlreadyExists')) throw error;
      const taken = await this.#d.client.get(REPLICA_SETS, namespace, `${name}-${hash}`, signal);
      if (controllerOf(taken)?.uid === uid && sameTemplate(taken.spec?.template, template)) return taken;
      const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
      await this.#d.client.update(DEPLOYMENTS, { ...deployment, status }, 'status', signal);
      return undefined;
    }
  }

  /** The set that is rolled out has the highest revision, also when it is an old one that came back. */
  async #markRevision(
    deployment: Deployment,
    current: ReplicaSet,
    old: readonly ReplicaSet[],
    signal: AbortSignal,
  ): Promise<ReplicaSet> {
    const highest = Math.max(0, ...old.map(revisionOf));
    const revision = revisionOf(current) > highest ? revisionOf(current) : highest + 1;
    const annotations = {
      ...withoutOwn(deployment.metadata.annotations),
      ...sizeAnnotations(deployment),
      [REVISION_ANNOTATION]: String(revision),
    };
    let result = current;
    const differs = Object.entries(annotations).some(([k, v]) => current.metadata.annotations?.[k] !== v);
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
    if (differs || (current.spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      const where = { namespace: current.metadata.namespace ?? '', name: current.metadata.name ?? '' };
      const history = historyOf(current, revision);
      const patch = { metadata: { annotations: { ...annotations, ...history } }, spec: { minReadySeconds } };
      result = await this.#d.client.patch(REPLICA_SETS, where, 'merge', patch, signal);
    }
    if (deployment.metadata.annotations?.[REVISION_ANNOTATION] !== String(revision)) {
      const where = { namespace: deployment.metadata.namespace ?? '', name: deployment.metadata.name ?? '' };
      const patch = { metadata: { annotations: { [REVISION_ANNOTATION]: String(revision) } } };
      await this.#d.client.patch(DEPLOYMENTS, where, 'merge', patch, signal);
    }
    return result;
  }

  async #apply(deployment: Deployment, steps: readonly ScaleStep[], signal: AbortSignal): Promise<void> {
    for (const { rs, replicas } of steps) {
      const before = rs.spec?.replicas ?? 0;
      if (before === replicas) continue;
      const where = { namespace: rs.metadata.namespace ?? '', name: rs.metadata.name ?? '' };
      const patch = {
        metadata: { resourceVersion: undefined, annotations: sizeAnnotations(deployment) },
        spec: { replicas },
      };
      await this.#d.client.patch(REPLICA_SETS, where, 'merge', patch, signal);
      const word = replicas > before ? 'up' : 'down';
      this.#event(
        deployment,
        'ScalingReplicaSet',
        `Scaled ${word} replica set ${rs.metadata.name} from ${before} to ${replicas}`,
      );
    }
  }

  async #cleanUp(deployment: Deployment, old: readonly ReplicaSet[], signal: AbortSignal): Promise<void> {
    const limit = deployment.spec?.revisionHistoryLimit ?? 10;
    const idle = old.filter((rs) => !hasPods(rs) && rs.metadata.deletionTimestamp === undefined);
    for (const rs of idle.slice(0, Math.max(0, idle.length - limit))) {
      const { namespace = '', name = '' } = rs.metadata;
      await ignoring(['NotFound'], this.#d.client.delete(REPLICA_SETS, namespace, name, {}, signal));
    }
  }

  async #writeStatus(
    key: string,
    deployment: Deployment,
    fresh: ReplicaSet | undefined,
    sets: readonly ReplicaSet[],
    signal: AbortSignal,
  ): Promise<void> {
    const sum = (of: (rs: ReplicaSet) => number | undefined): number => sets.reduce((n, rs) => n + (of(rs) ?? 0), 0);
    const replicas = sum((rs) => rs.status?.replicas);
    const availableReplicas = sum((rs) => rs.status?.availableReplicas);
    const counts = {
      observedGeneration: deployment.metadata.generation ?? 0,
      replicas,
      updatedReplicas: fresh?.status?.replicas ?? 0,
      readyReplicas: sum((rs) => rs.status?.readyReplicas),
      availableReplicas,
      unavailableReplicas: Math.max(0, sum((rs) => rs.spec?.replicas) - availableReplicas),
      terminatingReplicas: sum((rs) => rs.status?.terminatingReplicas),
    };
    const conditions = this.#conditions(key, deployment, fresh, sets, counts);
    const { collisionCount } = deployment.status ?? {};
    const status: DeploymentStatus = {
      ...counts,
      conditions,
      ...(collisionCount === undefined ? {} : { collisionCount }),
    };
    const known = deployment.status ?? {};
    const unchanged =
      Object.entries(counts).every(([k, v]) => (known[k as keyof DeploymentStatus] ?? 0) === v) &&
      conditionText(conditions) === conditionText(known.conditions ?? []);
    if (unchanged) return;
    const where = {
      namespace: deployment.metadata.namespace ?? '',
      name: deployment.metadata.name ?? '',
      subresource: 'status',
    };
    await ignoring(['NotFound', 'Conflict'], this.#d.client.patch(DEPLOYMENTS, where, 'merge', { status }, signal));
  }

  #conditions(
    key: string,
    deployment: Deployment,
    fresh: ReplicaSet | undefined,
    sets: readonly ReplicaSet[],
    counts: { updatedReplicas: number; replicas: number; availableReplicas: number; readyReplicas: number },
  ): DeploymentCondition[] {
    const now = this.#d.clock.now();
    const known = deployment.status?.conditions ?? [];
    const wanted = deployment.spec?.replicas ?? 1;
    const make = (
      type: string,
      status: 'True' | 'False',
      reason: string,
      message: string,
      moved: boolean,
    ): DeploymentCondition => {
      const before = known.find((c) => c.type === type);
      const same = before?.status === status && before.reason === reason && before.message === message;
      return {
        type,
        status,
        reason,
        message,
        lastUpdateTime: same && !moved ? before.lastUpdateTime : rfc3339(now),
        lastTransitionTime: before?.status === status ? before.lastTransitionTime : rfc3339(now),
      };
    };
    const enough = counts.availableReplicas >= wanted - rolloutLimits(deployment).maxUnavailable;
    const result = [
      enough
        ? make('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', false)
        : make(
            'Available',
            'False',
            'MinimumReplicasUnavailable',
            'Deployment does not have minimum availability.',
            false,
          ),
    ];
    const failing = sets.flatMap((rs) => rs.status?.conditions ?? []).find((c) => c.type === 'ReplicaFailure');
    if (failing !== undefined) {
      result.push(make('ReplicaFailure', 'True', failing.reason ?? 'FailedCreate', failing.message ?? '', false));
    }
    const progressing = this.#progressing(key, deployment, fresh, sets, counts, make);
    if (progressing !== undefined) result.push(progressing);
    return result;
  }

  #progressing(
    key: string,
    deployment: Deployment,
    fresh: ReplicaSet | undefined,
    sets: readonly ReplicaSet[],
    counts: { updatedReplicas: number; replicas: number; availableReplicas: number; readyReplicas: number },
    make: (
      type: string,
      status: 'True' | 'False',
      reason: string,
      message: string,
      moved: boolean,
    ) => DeploymentCondition,
  ): DeploymentCondition | undefined {
    const known = deployment.status?.conditions?.find((c) => c.type === 'Progressing');
    const name = fresh?.metadata.name ?? deployment.metadata.name;
    if (deployment.spec?.paused === true) {
      return make('Progressing', 'True', 'DeploymentPaused', 'Deployment is paused', false);
    }
    const wanted = deployment.spec?.replicas ?? 1;
    const complete =
      counts.updatedReplicas === wanted && counts.replicas === wanted && counts.availableReplicas >= wanted;
    if (complete && fresh !== undefined && (fresh.spec?.replicas ?? 0) === wanted) {
      return make(
        'Progressing',
        'True',
        'NewReplicaSetAvailable',
        `ReplicaSet "${name}" has successfully progressed.`,
        false,
      );
    }
    const before = deployment.status ?? {};
    const moved =
      counts.updatedReplicas > (before.updatedReplicas ?? 0) ||
      counts.readyReplicas > (before.readyReplicas ?? 0) ||
      counts.availableReplicas > (before.availableReplicas ?? 0) ||
      (sets.length > 0 && known === undefined) ||
      known?.reason === 'NewReplicaSetAvailable' ||
      known?.reason === 'DeploymentPaused';
    const deadline = (deployment.spec?.progressDeadlineSeconds ?? 600) * 1000;
    const since = Date.parse(known?.lastUpdateTime ?? '') || this.#d.clock.now();
    const left = since + deadline - this.#d.clock.now();
    if (!moved && left <= 0) {
      return make(
        'Progressing',
        'False',
        'ProgressDeadlineExceeded',
        `ReplicaSet "${name}" has timed out progressing.`,
        false,
      );
    }
    this.#queue.addAfter(key, Math.max(1000, left));
    if (!moved && known !== undefined) return known;
    return make('Progressing', 'True', 'ReplicaSetUpdated', `ReplicaSet "${name}" is progressing.`, true);
  }

  #event(deployment: Deployment, reason: string, message: string): void {
    this.#d.events.record({ ...deployment, apiVersion: 'apps/v1', kind: 'Deployment' }, 'Normal', reason, message);
  }
}

function hasPods(rs: ReplicaSet): boolean {
  return (rs.spec?.replicas ?? 0) > 0 || (rs.status?.replicas ?? 0) > 0 || (rs.status?.terminatingReplicas ?? 0) > 0;
}

function isComplete(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): boolean {
  const wanted = deployment.spec?.replicas ?? 1;
  return (fresh.status?.availableReplicas ?? 0) >= wanted && old.every((rs) => (rs.spec?.replicas ?? 0) === 0);
}

function withoutOwn(annotations: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations ?? {}).filter(([k]) => !OWN_ANNOTATIONS.includes(k)));
}

/** Which revisions a set was before it came back: what `kubectl rollout history` reads. */
function historyOf(rs: ReplicaSet, revision: number): Record<string, string> {
  const before = revisionOf(rs);
  if (before === 0 || before === revision) return {};
  const key = 'deployment.kubernetes.io/revision-history';
  const known = rs.metadata.annotations?.[key];
  return { [key]: known === undefined ? String(before) : `${known},${before}` };
}

function conditionText(conditions: readonly DeploymentCondition[]): string {
  return conditions
    .map((c) => [c.type, c.status, c.reason, c.message, c.lastUpdateTime].join('|'))
    .sort()
    .join('\n');
}
