import type { Deployment, ReplicaSet } from '../api/generated/types.ts';
import { jsonEqual } from '../api/json-object.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Informer } from '../client/informer.ts';
import { DEPLOYMENTS, REPLICA_SETS } from '../client/resources.ts';
import { isCode } from '../lib/errors.ts';
import { controllerOf, controllerReference } from './claim.ts';
import type { ControllerDependencies } from './controller.ts';
import { maxRevision, REVISION_ANNOTATION, rolledOutAnnotations, sizeAnnotations } from './deployment-annotations.ts';
import {
  newSetReplicas,
  replicasOf,
  rolloutLimits,
  type ScaleStep,
  sameTemplate,
  setName,
  TEMPLATE_HASH_LABEL,
  templateHash,
  wantedReplicas,
} from './deployment-rollout.ts';
import { progressDeadline, type StatusDraft } from './deployment-status.ts';
import { EndingNamespaces, messageOf } from './expected-errors.ts';
import type { PendingWrites } from './pending-writes.ts';

/** One pass over one deployment: what is known of it, and the conditions that come out. Writes of the pass replace the parts. */
export interface Rollout {
  readonly key: string;
  deployment: Deployment;
  /** The set of the present template. */
  fresh: ReplicaSet | undefined;
  old: readonly ReplicaSet[];
  readonly draft: StatusDraft;
}

/** Writes the sets of a deployment: makes the new one, sizes all, and numbers the revisions. */
export class DeploymentSets {
  readonly #d: ControllerDependencies;
  readonly #deployments: Informer<Deployment>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pending: PendingWrites;
  readonly #events: EventRecorder;
  readonly #ending: EndingNamespaces;

  constructor(
    dependencies: ControllerDependencies,
    deployments: Informer<Deployment>,
    sets: Informer<ReplicaSet>,
    pending: PendingWrites,
  ) {
    this.#d = dependencies;
    this.#deployments = deployments;
    this.#sets = sets;
    this.#pending = pending;
    this.#events = dependencies.events.as('deployment-controller');
    this.#ending = new EndingNamespaces(dependencies.informers);
  }

  /** Makes sure that the set of the present template exists and has the highest revision. */
  async ensureNewSet(rollout: Rollout, signal: AbortSignal): Promise<void> {
    if (rollout.fresh === undefined) await this.#create(rollout, signal);
    else await this.markRevision(rollout, signal);
  }

  /** The set of the present template, where there is one, gets the highest revision, also when it is an old one that came back. */
  async markRevision(rollout: Rollout, signal: AbortSignal): Promise<void> {
    const { fresh, deployment, draft } = rollout;
    if (fresh === undefined) return;
    const annotations = rolledOutAnnotations(deployment, fresh, maxRevision(rollout.old) + 1);
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
    if (
      !jsonEqual(annotations, fresh.metadata.annotations ?? {}) ||
      (fresh.spec?.minReadySeconds ?? 0) !== minReadySeconds
    ) {
      rollout.fresh = await this.#writeSet(
        rollout.key,
        {
          ...fresh,
          metadata: { ...fresh.metadata, annotations: { ...annotations } },
          spec: { ...fresh.spec!, minReadySeconds },
        },
        signal,
      );
    }
    if (progressDeadline(deployment) !== undefined && draft.find('Progressing') === undefined) {
      const message = `Found new replica set "${fresh.metadata.name}"`;
      draft.set('Progressing', 'True', 'FoundNewReplicaSet', message);
    }
    await this.#showRevision(rollout, annotations[REVISION_ANNOTATION] ?? '', signal);
  }

  /** Sizes sets, one after the other, and tells of each change. */
  async apply(rollout: Rollout, steps: readonly ScaleStep[], signal: AbortSignal): Promise<void> {
    const { deployment } = rollout;
    const size = sizeAnnotations(wantedReplicas(deployment), rolloutLimits(deployment).maxSurge);
    for (const { rs, replicas } of steps) {
      const before = replicasOf(rs);
      const noted = Object.entries(size).every(([k, v]) => rs.metadata.annotations?.[k] === v);
      if (before === replicas && noted) continue;
      const written = await this.#writeSet(
        rollout.key,
        {
          ...rs,
          metadata: { ...rs.metadata, annotations: { ...rs.metadata.annotations, ...size } },
          spec: { ...rs.spec!, replicas },
        },
        signal,
      );
      if (rollout.fresh === rs) rollout.fresh = written;
      else rollout.old = rollout.old.map((known) => (known === rs ? written : known));
      if (before !== replicas) this.#tellScaled(deployment, written, before);
    }
  }

  async #create(rollout: Rollout, signal: AbortSignal): Promise<void> {
    const { deployment, old } = rollout;
    const set = newSet(deployment, old);
    const { namespace = '', name = '' } = set.metadata;
    try {
      const created = await this.#d.client.create(REPLICA_SETS, set, signal);
      this.#pending.written(rollout.key, this.#sets, created);
      rollout.fresh = created;
      if (replicasOf(created) > 0) this.#tellScaled(deployment, created, 0);
      this.#noteProgress(rollout, 'True', 'NewReplicaSetCreated', `Created new replica set "${name}"`);
    } catch (error) {
      if (isCode(error, 'AlreadyExists')) await this.#takeOrAvoid(rollout, namespace, name, signal);
      else if (this.#ending.refused(error, namespace)) return;
      else {
        if (signal.aborted) throw error;
        const message = `Failed to create new replica set "${name}": ${messageOf(error)}`;
        this.#noteProgress(rollout, 'False', 'ReplicaSetCreateError', message);
        this.#events.record(asKind(deployment), 'Warning', 'ReplicaSetCreateError', message);
        throw error;
      }
    }
    await this.#showRevision(rollout, rollout.fresh?.metadata.annotations?.[REVISION_ANNOTATION] ?? '', signal);
  }

  /** The name is taken: by our own set that the informer does not show yet, or by another one, and then the next name is tried. */
  async #takeOrAvoid(rollout: Rollout, namespace: string, name: string, signal: AbortSignal): Promise<void> {
    const { deployment } = rollout;
    const taken = await this.#d.client.get(REPLICA_SETS, namespace, name, signal);
    const isOurs = controllerOf(taken)?.uid === deployment.metadata.uid;
    if (isOurs && sameTemplate(taken.spec?.template, deployment.spec?.template)) {
      rollout.fresh = taken;
      return;
    }
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    const status = { ...deployment.status, collisionCount };
    const written = await this.#d.client.update(DEPLOYMENTS, { ...deployment, status }, 'status', signal);
    this.#pending.written(rollout.key, this.#deployments, written);
    rollout.deployment = written;
  }

  #noteProgress({ deployment, draft }: Rollout, status: 'True' | 'False', reason: string, message: string): void {
    if (progressDeadline(deployment) !== undefined) draft.set('Progressing', status, reason, message);
  }

  /** On the deployment itself: the revision that is rolled out. */
  async #showRevision(rollout: Rollout, revision: string, signal: AbortSignal): Promise<void> {
    const { deployment, key } = rollout;
    const { annotations } = deployment.metadata;
    if (revision === '' || annotations?.[REVISION_ANNOTATION] === revision) return;
    const metadata = { ...deployment.metadata, annotations: { ...annotations, [REVISION_ANNOTATION]: revision } };
    rollout.deployment = await this.#d.client.update(DEPLOYMENTS, { ...deployment, metadata }, undefined, signal);
    this.#pending.written(key, this.#deployments, rollout.deployment);
  }

  async #writeSet(key: string, rs: ReplicaSet, signal: AbortSignal): Promise<ReplicaSet> {
    const written = await this.#d.client.update(REPLICA_SETS, rs, undefined, signal);
    this.#pending.written(key, this.#sets, written);
    return written;
  }

  #tellScaled(deployment: Deployment, rs: ReplicaSet, before: number): void {
    const after = replicasOf(rs);
    const message = `Scaled ${after > before ? 'up' : 'down'} replica set ${rs.metadata.name} from ${before} to ${after}`;
    this.#events.record(asKind(deployment), 'Normal', 'ScalingReplicaSet', message);
  }
}

function asKind(deployment: Deployment) {
  return { ...deployment, apiVersion: 'apps/v1', kind: 'Deployment' };
}

/** The set of the present template, with as many replicas as it may have at first. */
function newSet(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet {
  const { namespace = '', name = '' } = deployment.metadata;
  const template = deployment.spec?.template ?? {};
  const selector = deployment.spec?.selector ?? {};
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0);
  const labels = { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash };
  const { maxSurge } = rolloutLimits(deployment);
  const empty: ReplicaSet = {
    metadata: {
      namespace,
      name: setName(name, hash),
      labels,
      annotations: {
        ...rolledOutAnnotations(deployment, undefined, maxRevision(old) + 1),
        ...sizeAnnotations(wantedReplicas(deployment), maxSurge),
      },
      ownerReferences: [controllerReference('apps/v1', 'Deployment', deployment)],
    },
    spec: {
      replicas: 0,
      minReadySeconds: deployment.spec?.minReadySeconds ?? 0,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
  return { ...empty, spec: { ...empty.spec!, replicas: newSetReplicas(deployment, empty, old) } };
}
