import type { ObjectMeta, OwnerReference } from '../api/object.ts';
import type { LabelSelectorObject } from '../api/selector/label-selector.ts';
import { matchesLabelSelector } from '../api/selector/label-selector.ts';
import type { RestClient, TypedResource } from '../client/rest-client.ts';
import { ignoring } from './expected-errors.ts';

export interface Owned {
  readonly metadata: ObjectMeta;
}

export function controllerOf(object: Owned): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((r) => r.controller === true);
}

export function controllerReference(apiVersion: string, kind: string, owner: Owned): OwnerReference {
  const { name = '', uid = '' } = owner.metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

export interface Claim<T extends Owned> {
  readonly client: RestClient;
  readonly type: TypedResource<T>;
  readonly owner: Owned;
  readonly ownerType: TypedResource<Owned>;
  readonly reference: OwnerReference;
  readonly selector: LabelSelectorObject | undefined;
}

/**
 * The candidates that the owner controls, after it adopted those that are nobody's and that it selects, and released those
 * that it does not select any more. What another one controls is left alone.
 */
export async function claimObjects<T extends Owned>(
  claim: Claim<T>,
  candidates: readonly T[],
  signal: AbortSignal,
): Promise<T[]> {
  const { owner, selector } = claim;
  const ending = owner.metadata.deletionTimestamp !== undefined;
  let mayAdopt: Promise<boolean> | undefined;
  const claimed: T[] = [];
  for (const object of candidates) {
    const controller = controllerOf(object);
    const selected = matchesLabelSelector(selector, object.metadata.labels);
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata.uid) continue;
      if (selected) claimed.push(object);
      else if (!ending) await release(claim, object, signal);
      continue;
    }
    if (!selected || ending || object.metadata.deletionTimestamp !== undefined) continue;
    // The cache may show an owner that is gone: the garbage collector would delete what it adopts.
    mayAdopt ??= isAlive(claim, signal);
    if (!(await mayAdopt)) continue;
    const adopted = await adopt(claim, object, signal);
    if (adopted !== undefined) claimed.push(adopted);
  }
  return claimed;
}

async function isAlive<T extends Owned>(claim: Claim<T>, signal: AbortSignal): Promise<boolean> {
  const { namespace = '', name = '', uid } = claim.owner.metadata;
  const live = await claim.client.get(claim.ownerType, namespace, name, signal);
  return live.metadata.uid === uid && live.metadata.deletionTimestamp === undefined;
}

async function adopt<T extends Owned>(claim: Claim<T>, object: T, signal: AbortSignal): Promise<T | undefined> {
  const { namespace = '', name = '', uid } = object.metadata;
  const patch = { metadata: { uid, ownerReferences: [claim.reference] } };
  let adopted: T | undefined;
  const adopting = claim.client.patch(claim.type, { namespace, name }, 'strategic', patch, signal).then((result) => {
    adopted = result;
  });
  // 409: another object has that name by now. 422: somebody else was faster, and there is one controller at most.
  await ignoring(['NotFound', 'Conflict', 'Invalid'], adopting);
  return adopted;
}

async function release<T extends Owned>(claim: Claim<T>, object: T, signal: AbortSignal): Promise<void> {
  const { namespace = '', name = '', uid } = object.metadata;
  const gone = { $patch: 'delete', uid: claim.owner.metadata.uid };
  const patch = { metadata: { uid, ownerReferences: [gone] } };
  const releasing = claim.client.patch(claim.type, { namespace, name }, 'strategic', patch, signal);
  await ignoring(['NotFound', 'Conflict', 'Invalid'], releasing);
}
