import { isDeepStrictEqual } from 'node:util';
import { type OwnerReference, parseApiVersion } from '../api/object.ts';
import type { Scheme } from '../api/scheme.ts';
import type { Attributes, Authorizer, Decision } from '../authz/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

/**
 * An owner reference lets the garbage collector delete an object, and `blockOwnerDeletion` holds up the deletion of its owner: whoever
 * sets them must be allowed to do that himself.
 */
export class OwnerReferencesPermissionEnforcement implements AdmissionPlugin {
  readonly name = 'OwnerReferencesPermissionEnforcement';
  readonly #authorizer: Authorizer;
  readonly #scheme: Scheme;

  constructor(authorizer: Authorizer, scheme: Scheme) {
    this.#authorizer = authorizer;
    this.#scheme = scheme;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, object, oldObject, subresource } = attributes;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || object === undefined) return;
    // A status update cannot change owners.
    if (groupResource(attributes) === 'pods' && subresource === 'status') return;
    const now = object.metadata?.ownerReferences ?? [];
    const before = oldObject?.metadata?.ownerReferences ?? [];
    if ((now.length === 0 && before.length === 0) || isDeepStrictEqual(now, before)) return;

    const { group, version, resource } = attributes;
    // A create names its object only inside it; a node, for one, may delete no lease but its own.
    const name = attributes.name || (object.metadata.name ?? '');
    const remove = await this.#ask(attributes, { verb: 'delete', group, version, resource, subresource, name });
    if (remove.verdict !== 'allow') {
      throw refusal(attributes, `cannot set an ownerRef on a resource you can't delete: ${remove.reason}, <nil>`);
    }
    const blocking = new Set(before.filter((ref) => ref.blockOwnerDeletion === true).map((ref) => ref.uid));
    for (const ref of now) {
      if (ref.blockOwnerDeletion === true && !blocking.has(ref.uid)) await this.#checkBlocking(attributes, ref);
    }
  }

  async #checkBlocking(attributes: AdmissionAttributes, ref: OwnerReference): Promise<void> {
    const { group, version } = parseApiVersion(ref.apiVersion);
    const owner = this.#scheme.findKind(group, version, ref.kind);
    if (owner === undefined) {
      throw refusal(
        attributes,
        `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${ref.apiVersion} Kind ${ref.kind}`,
      );
    }
    const decision = await this.#ask(attributes, {
      verb: 'update',
      group,
      version,
      resource: owner.plural,
      subresource: 'finalizers',
      name: ref.name,
      namespace: owner.namespaced ? attributes.namespace : '',
    });
    if (decision.verdict !== 'allow') {
      throw refusal(
        attributes,
        `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${decision.reason}, <nil>`,
      );
    }
  }

  #ask(
    attributes: AdmissionAttributes,
    what: Pick<Attributes, 'verb' | 'resource' | 'subresource' | 'name'> & {
      group: string;
      version: string;
      namespace?: string;
    },
  ): Promise<Decision> {
    const { group, version, namespace = attributes.namespace, ...rest } = what;
    const { user } = attributes;
    return this.#authorizer.authorize({
      user,
      resourceRequest: true,
      apiGroup: group,
      apiVersion: version,
      namespace,
      path: '',
      ...rest,
    });
  }
}
