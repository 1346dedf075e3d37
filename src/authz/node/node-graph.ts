import type {
  PersistentVolume,
  Pod,
  PodCertificateRequest,
  ResourceSlice,
  VolumeAttachment,
} from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import { podReferences } from './pod-references.ts';
import { volumeSecrets } from './volume-references.ts';

/** The kinds whose changes the graph must see. */
export type NodeGraphResource =
  | 'pods'
  | 'persistentvolumes'
  | 'volumeattachments'
  | 'resourceslices'
  | 'podcertificaterequests';

/** What a node may be related to. */
export type RelatedResource =
  | 'pods'
  | 'secrets'
  | 'configmaps'
  | 'persistentvolumeclaims'
  | 'persistentvolumes'
  | 'resourceclaims'
  | 'serviceaccounts'
  | 'volumeattachments'
  | 'resourceslices'
  | 'podcertificaterequests';

interface PodEntry {
  readonly node: string;
  readonly uid: string;
  readonly objects: readonly string[];
  /** What of a pod can change its references after it was bound: a debug container, or a claim made for it. */
  readonly mutable: string;
}

interface VolumeEntry {
  readonly claim: string;
  readonly secrets: ReadonlySet<string>;
}

const mirrorAnnotation = 'kubernetes.io/config.mirror';

/**
 * Which objects the pods of each node refer to. Fed synchronously from the watch cache, before watchers are told: a kubelet that has
 * seen its pod must find the pod's secrets allowed.
 *
 *     node ← pod ← secret, configmap, service account, resource claim, pvc ← pv ← secret
 *     node ← volume attachment, resource slice, pod certificate request
 */
export class NodeGraph {
  readonly #pods = new Map<string, PodEntry>();
  readonly #volumes = new Map<string, VolumeEntry>();
  readonly #volumesOfSecret = new Map<string, Set<string>>();
  /** Object → node → how many of the node's pods refer to it. */
  readonly #users = new Map<string, Map<string, number>>();
  /** Volume attachments, resource slices and requests for certificates name their node themselves. */
  readonly #owners = new Map<string, string>();

  /** An object was added or changed, or (`undefined` for `object`) deleted. */
  set(resource: NodeGraphResource, namespace: string, name: string, object: KubeObject | undefined): void {
    switch (resource) {
      case 'pods':
        this.#setPod(`${namespace}/${name}`, object as unknown as Pod | undefined);
        break;
      case 'persistentvolumes':
        this.#setVolume(name, object as unknown as PersistentVolume | undefined);
        break;
      case 'volumeattachments':
        this.#setOwner(`${resource}/${name}`, (object as unknown as VolumeAttachment | undefined)?.spec.nodeName);
        break;
      case 'resourceslices':
        this.#setOwner(`${resource}/${name}`, (object as unknown as ResourceSlice | undefined)?.spec.nodeName);
        break;
      case 'podcertificaterequests': {
        const request = object as unknown as PodCertificateRequest | undefined;
        this.#setOwner(`${resource}/${namespace}/${name}`, request?.spec.nodeName);
        break;
      }
    }
  }

  /** Whether a path leads from the object to the node. */
  related(node: string, resource: RelatedResource, namespace: string, name: string): boolean {
    switch (resource) {
      case 'volumeattachments':
      case 'resourceslices':
        return this.#owners.get(`${resource}/${name}`) === node;
      case 'podcertificaterequests':
        return this.#owners.get(`${resource}/${namespace}/${name}`) === node;
      case 'persistentvolumes':
        return this.#volumeUsed(node, name);
      case 'secrets': {
        if (this.#used(node, `secrets/${namespace}/${name}`)) return true;
        const volumes = this.#volumesOfSecret.get(`${namespace}/${name}`);
        return volumes !== undefined && [...volumes].some((volume) => this.#volumeUsed(node, volume));
      }
      default:
        return this.#used(node, `${resource}/${namespace}/${name}`);
    }
  }

  #used(node: string, object: string): boolean {
    return this.#users.get(object)?.has(node) ?? false;
  }

  #volumeUsed(node: string, volume: string): boolean {
    const entry = this.#volumes.get(volume);
    return entry !== undefined && this.#used(node, entry.claim);
  }

  #setOwner(key: string, node: string | undefined): void {
    if (node === undefined || node === '') this.#owners.delete(key);
    else this.#owners.set(key, node);
  }

  #setPod(key: string, pod: Pod | undefined): void {
    const before = this.#pods.get(key);
    const node = pod?.spec?.nodeName ?? '';
    const uid = pod?.metadata?.uid ?? '';
    const mutable = pod === undefined ? '' : mutableReferences(pod);
    // Most changes of a pod are of its status: the references of a bound pod stay as they are.
    if (before !== undefined && before.node === node && before.uid === uid && before.mutable === mutable) return;
    if (before !== undefined) {
      this.#pods.delete(key);
      for (const object of before.objects) this.#release(object, before.node);
    }
    if (pod === undefined || node === '') return;
    const objects = [`pods/${key}`, ...referencedObjects(pod)];
    this.#pods.set(key, { node, uid, objects, mutable });
    for (const object of objects) this.#retain(object, node);
  }

  #setVolume(name: string, volume: PersistentVolume | undefined): void {
    for (const secret of this.#volumes.get(name)?.secrets ?? []) {
      const volumes = this.#volumesOfSecret.get(secret);
      volumes?.delete(name);
      if (volumes?.size === 0) this.#volumesOfSecret.delete(secret);
    }
    this.#volumes.delete(name);
    const claim = volume?.spec?.claimRef;
    if (volume === undefined || claim === undefined) return;
    const secrets = volumeSecrets(volume);
    this.#volumes.set(name, { claim: `persistentvolumeclaims/${claim.namespace}/${claim.name}`, secrets });
    for (const secret of secrets) {
      const volumes = this.#volumesOfSecret.get(secret) ?? new Set<string>();
      this.#volumesOfSecret.set(secret, volumes.add(name));
    }
  }

  #retain(object: string, node: string): void {
    const nodes = this.#users.get(object) ?? new Map<string, number>();
    this.#users.set(object, nodes.set(node, (nodes.get(node) ?? 0) + 1));
  }

  #release(object: string, node: string): void {
    const nodes = this.#users.get(object);
    const count = nodes?.get(node);
    if (nodes === undefined || count === undefined) return;
    if (count > 1) nodes.set(node, count - 1);
    else nodes.delete(node);
    if (nodes.size === 0) this.#users.delete(object);
  }
}

/** `secrets/ns/name`, … A mirror pod is made by its node, so it must not open anything to that node. */
function referencedObjects(pod: Pod): string[] {
  if (pod.metadata?.annotations?.[mirrorAnnotation] !== undefined) return [];
  const namespace = pod.metadata?.namespace ?? '';
  return Object.entries(podReferences(pod)).flatMap(([resource, names]: [string, ReadonlySet<string>]) =>
    [...names].map((name) => `${resource}/${namespace}/${name}`),
  );
}

function mutableReferences({ spec, status }: Pod): string {
  if (!spec?.ephemeralContainers && !status?.resourceClaimStatuses && !status?.extendedResourceClaimStatus) return '';
  return JSON.stringify([
    spec?.ephemeralContainers,
    status?.resourceClaimStatuses,
    status?.extendedResourceClaimStatus,
  ]);
}
