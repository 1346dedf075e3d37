import { isDeepStrictEqual } from 'node:util';
import type { PersistentVolumeClaim, ResourceSlice } from '../../api/generated/types.ts';
import type { Authorizer } from '../../authz/authorizer.ts';
import { liveNodeUid, nodeNameOf, whyNotPinned } from '../../authz/node/node-identity.ts';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from '../plugin.ts';
import { groupResource, refusal } from '../refuse.ts';
import { admitPodCertificateRequest } from './node-certificates.ts';
import { admitNode } from './node-objects.ts';
import { admitPod, admitPodEviction, admitPodStatus } from './node-pods.ts';
import { admitToken } from './node-tokens.ts';

/**
 * What a node may write: its own Node (but not the labels, taints and owners by which others judge it), the status of its own pods,
 * mirror pods, its lease, tokens for its own pods; and nothing once its Node is gone. The Node authoriser decides what it may ask for, this what it may say.
 */
export class NodeRestriction implements AdmissionPlugin {
  readonly name = 'NodeRestriction';
  readonly #reader: ObjectReader;
  readonly #authorizer: Authorizer;

  constructor(reader: ObjectReader, authorizer: Authorizer) {
    this.#reader = reader;
    this.#authorizer = authorizer;
  }

  /** Before the others, so that what they add (a service account, tolerations) is not taken for the node's own wish. */
  async admit(attributes: AdmissionAttributes): Promise<void> {
    if (attributes.operation === 'CONNECT') return;
    const node = nodeNameOf(attributes.user);
    if (node === undefined) return;
    if (node === '') {
      throw refusal(attributes, `could not determine node from user ${JSON.stringify(attributes.user.username)}`);
    }
    // The body may have come a minute after the request was authorised.
    const stored = await this.#reader.get('', 'nodes', '', node);
    const gone = whyNotPinned(node, attributes.user.uid, liveNodeUid(stored));
    if (gone !== undefined) throw refusal(attributes, gone);
    switch (groupResource(attributes)) {
      case 'pods':
        return this.#pods(node, attributes);
      case 'nodes':
        return admitNode(node, attributes);
      case 'persistentvolumeclaims':
        return admitClaimStatus(node, attributes);
      case 'serviceaccounts':
        return admitToken(this.#reader, this.#authorizer, node, attributes);
      case 'leases.coordination.k8s.io':
        if (attributes.namespace !== 'kube-node-lease') {
          throw refusal(attributes, 'can only access leases in the "kube-node-lease" system namespace');
        }
        return sameName(node, attributes, 'can only access node lease with the same name as the requesting node');
      case 'csinodes.storage.k8s.io':
        return sameName(node, attributes, 'can only access CSINode with the same name as the requesting node');
      case 'podcertificaterequests.certificates.k8s.io':
        return admitPodCertificateRequest(this.#reader, node, attributes);
      case 'resourceslices.resource.k8s.io':
        return admitSlice(node, attributes);
    }
  }

  async #pods(node: string, attributes: AdmissionAttributes): Promise<void> {
    switch (attributes.subresource) {
      case '':
        return admitPod(this.#reader, node, attributes);
      case 'status':
        return admitPodStatus(node, attributes);
      case 'eviction':
        return admitPodEviction(this.#reader, node, attributes);
      default:
        throw refusal(
          attributes,
          `unexpected pod subresource "${attributes.subresource}", only 'status' and 'eviction' are allowed`,
        );
    }
  }
}

function admitClaimStatus(node: string, attributes: AdmissionAttributes): void {
  const { operation, subresource, object, oldObject } = attributes;
  if (subresource !== 'status') throw refusal(attributes, 'may only update PVC status');
  if (operation !== 'UPDATE') throw refusal(attributes, `unexpected operation "${operation}"`);
  if (!isDeepStrictEqual(withoutVolumeState(object), withoutVolumeState(oldObject))) {
    throw refusal(
      attributes,
      `node ${JSON.stringify(node)} is not allowed to update fields other than status.capacity and status.conditions`,
    );
  }
}

/** The claim without what a node reports when it has grown a volume. */
function withoutVolumeState(claim: unknown): unknown {
  const { metadata, status, ...rest } = (claim ?? {}) as PersistentVolumeClaim;
  const { resourceVersion, managedFields, ...identity } = metadata ?? {};
  const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...remaining } = status ?? {};
  return { ...rest, metadata: identity, status: remaining };
}

function sameName(node: string, attributes: AdmissionAttributes, why: string): void {
  const name = attributes.operation === 'CREATE' ? attributes.object?.metadata.name : attributes.name;
  if (name !== node) throw refusal(attributes, why);
}

function admitSlice(node: string, attributes: AdmissionAttributes): void {
  const { operation, object, oldObject } = attributes;
  const slice = (operation === 'DELETE' ? oldObject : object) as unknown as ResourceSlice | undefined;
  if (slice?.spec.nodeName !== node) {
    const what = operation === 'DELETE' ? 'delete' : operation === 'CREATE' ? 'create' : 'update';
    throw refusal(attributes, `can only ${what} ResourceSlice with the same NodeName as the requesting node`);
  }
}
