import type { Deployment, Pod, ReplicaSet } from '../api/generated/types.ts';
import type { OwnerReference } from '../api/object.ts';
import type { Informer } from '../client/informer.ts';
import { REPLICATION_CONTROLLERS, STATEFUL_SETS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { controllerOf } from './claim.ts';

/** What controls a pod in the end, and how many it wants. */
interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

/** How many pods there should be, by those who control them. */
export class PodScale {
  readonly #client: RestClient;
  readonly #sets: Informer<ReplicaSet>;
  readonly #deployments: Informer<Deployment>;

  constructor(client: RestClient, sets: Informer<ReplicaSet>, deployments: Informer<Deployment>) {
    this.#client = client;
    this.#sets = sets;
    this.#deployments = deployments;
  }

  /** Pods that nobody controls do not count, as in Kubernetes. Throws when it cannot be known. */
  async of(pods: readonly Pod[], signal: AbortSignal): Promise<number> {
    const owners = new Map<string, readonly [OwnerReference, namespace: string]>();
    for (const pod of pods) {
      const owner = controllerOf(pod);
      if (owner !== undefined) owners.set(owner.uid, [owner, pod.metadata.namespace ?? '']);
    }
    const scales = new Map<string, number>();
    for (const [owner, namespace] of owners.values()) {
      const { uid, replicas } = await this.#scaleOf(owner, namespace, signal);
      scales.set(uid, replicas);
    }
    return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
  }

  async #scaleOf(owner: OwnerReference, namespace: string, signal: AbortSignal): Promise<Scale> {
    const found = await this.#find(owner, namespace, signal);
    if (found?.metadata.uid !== owner.uid) throw new Error(`found no controller ${owner.kind} ${owner.name} of a pod`);
    const above = controllerOf(found);
    const deployment = above?.kind === 'Deployment' ? this.#deployments.get(namespace, above.name) : undefined;
    const scaled = deployment !== undefined && deployment.metadata.uid === above?.uid ? deployment : found;
    return { uid: scaled.metadata.uid ?? '', replicas: scaled.spec?.replicas ?? 1 };
  }

  #find({ kind, name }: OwnerReference, namespace: string, signal: AbortSignal) {
    switch (kind) {
      case 'ReplicaSet':
        return this.#sets.get(namespace, name);
      case 'StatefulSet':
        return this.#client.get(STATEFUL_SETS, namespace, name, signal);
      case 'ReplicationController':
        return this.#client.get(REPLICATION_CONTROLLERS, namespace, name, signal);
      default:
        throw new Error(`a ${kind} cannot be scaled, so nobody knows how many pods there should be`);
    }
  }
}
