import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../api/generated/types.ts';
import type { KubeObject } from '../../api/object.ts';
import { podReferences } from '../../authz/node/pod-references.ts';
import { notFound } from '../../lib/errors.ts';
import { isMirrorPod, mirrorAnnotation } from '../mirror-pod.ts';
import type { AdmissionAttributes, ObjectReader } from '../plugin.ts';
import { refusal } from '../refuse.ts';

/** A node makes and deletes mirror pods of its own and nothing else of pods. */
export async function admitPod(reader: ObjectReader, node: string, attributes: AdmissionAttributes): Promise<void> {
  const me = `node ${JSON.stringify(node)}`;
  switch (attributes.operation) {
    case 'CREATE':
      return admitMirrorPod(node, attributes);
    case 'DELETE': {
      const pod = await existingPod(reader, attributes, attributes.name);
      if (pod.spec?.nodeName !== node) {
        throw refusal(attributes, `${me} can only delete pods with spec.nodeName set to itself`);
      }
      return;
    }
    default:
      throw refusal(
        attributes,
        `unexpected operation "${attributes.operation}", ${me} can only create and delete mirror pods`,
      );
  }
}

function admitMirrorPod(node: string, attributes: AdmissionAttributes): void {
  const me = `node ${JSON.stringify(node)}`;
  const { object } = attributes;
  const pod = object as unknown as Pod;
  if (object === undefined || !isMirrorPod(object.metadata)) {
    throw refusal(attributes, `pod does not have "${mirrorAnnotation}" annotation, ${me} can only create mirror pods`);
  }
  if (pod.spec?.nodeName !== node) {
    throw refusal(attributes, `${me} can only create pods with spec.nodeName set to itself`);
  }
  checkOwner(node, attributes, object);

  const refs = podReferences(pod);
  const cannot = (what: string): Error => refusal(attributes, `${me} can not create pods that reference ${what}`);
  if (pod.spec.serviceAccountName || pod.spec.serviceAccount) throw cannot('a service account');
  if (refs.secrets.size > 0) throw cannot('secrets');
  if (refs.configmaps.size > 0) throw cannot('configmaps');
  const sources = (pod.spec.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
  if (sources.some((source) => source.clusterTrustBundle)) throw cannot('clustertrustbundles');
  if (sources.some((source) => source.podCertificate)) throw cannot('podcertificates');
  if (sources.some((source) => source.serviceAccountToken)) throw cannot('service account tokens');
  if (refs.persistentvolumeclaims.size > 0) throw cannot('persistentvolumeclaims');
  if ((pod.spec.resourceClaims ?? []).length > 0) throw cannot('resourceclaims');
}

/** Exactly one owner: the Node itself, by its uid, so that the pod goes when the node goes and holds up nothing else. */
function checkOwner(node: string, attributes: AdmissionAttributes, pod: KubeObject): void {
  const me = `node ${JSON.stringify(node)}`;
  const [owner, ...others] = pod.metadata.ownerReferences ?? [];
  if (others.length > 0) {
    throw refusal(attributes, `${me} can only create pods with a single owner reference set to itself`);
  }
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    throw refusal(attributes, `${me} can only create pods with an owner reference set to itself`);
  }
  if (owner.controller !== true) {
    throw refusal(attributes, `${me} can only create pods with a controller owner reference set to itself`);
  }
  if (owner.blockOwnerDeletion === true) {
    throw refusal(attributes, `${me} must not set blockOwnerDeletion on an owner reference`);
  }
  // The user's UID is that of its Node, by now.
  const { uid } = attributes.user;
  if (owner.uid !== uid) throw refusal(attributes, `node ${node} UID mismatch: expected ${owner.uid} got ${uid}`);
}

/** A node reports the status of its own pods, and changes nothing by it that others select or resolve by. */
export function admitPodStatus(node: string, attributes: AdmissionAttributes): void {
  const me = `node ${JSON.stringify(node)}`;
  const { operation, object, oldObject } = attributes;
  if (operation !== 'UPDATE') throw refusal(attributes, `unexpected operation "${operation}"`);
  const before = oldObject as unknown as Pod | undefined;
  const now = object as unknown as Pod | undefined;
  if (before?.spec?.nodeName !== node) {
    throw refusal(attributes, `${me} can only update pod status for pods with spec.nodeName set to itself`);
  }
  if (!isDeepStrictEqual(before.metadata?.labels ?? {}, now?.metadata?.labels ?? {})) {
    throw refusal(attributes, `${me} cannot update labels through pod status`);
  }
  // Its owners, its finalizers, and that it is a mirror pod, are what others decide by.
  if (!isDeepStrictEqual(settledMetadata(before), settledMetadata(now))) {
    throw refusal(attributes, `${me} cannot update metadata through pod status`);
  }
  if (!isDeepStrictEqual(before.status?.resourceClaimStatuses ?? [], now?.status?.resourceClaimStatuses ?? [])) {
    throw refusal(attributes, `${me} cannot update resource claim statuses`);
  }
  if (!isDeepStrictEqual(before.status?.extendedResourceClaimStatus, now?.status?.extendedResourceClaimStatus)) {
    throw refusal(attributes, `${me} cannot update extended resource claim statuses`);
  }
}

/** The metadata without what every write may change. */
function settledMetadata(pod: Pod | undefined): unknown {
  const { resourceVersion, generation, managedFields, ...rest } = pod?.metadata ?? {};
  return rest;
}

export async function admitPodEviction(
  reader: ObjectReader,
  node: string,
  attributes: AdmissionAttributes,
): Promise<void> {
  const { operation, name, object } = attributes;
  if (operation !== 'CREATE') throw refusal(attributes, `unexpected operation ${operation}`);
  const podName = name || object?.metadata.name;
  if (!podName) throw refusal(attributes, 'could not determine pod from request data');
  const pod = await existingPod(reader, attributes, podName);
  if (pod.spec?.nodeName !== node) {
    throw refusal(attributes, `node ${node} can only evict pods with spec.nodeName set to itself`);
  }
}

export async function existingPod(reader: ObjectReader, attributes: AdmissionAttributes, name: string): Promise<Pod> {
  const pod = await reader.get('', 'pods', attributes.namespace, name);
  if (pod === undefined) throw notFound('', 'pods', name);
  return pod as unknown as Pod;
}
