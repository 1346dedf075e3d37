import type { ErrorCause } from '../../lib/errors.ts';
import { behaviourOf, type KindBehaviour } from '../kind-behaviour.ts';
import type { KubeObject } from '../object.ts';
import { loadSchema } from '../schema/schema.ts';
import type { ResourceDefinition } from '../scheme.ts';

/** `field: message` of each cause. */
export function texts(causes: readonly ErrorCause[]): string[] {
  return causes.map((cause) => `${cause.field}: ${cause.message}`);
}

export function resourceOf(group: string, kind: string): ResourceDefinition {
  const found = loadSchema().resources.find((resource) => resource.group === group && resource.kind === kind);
  if (found === undefined) throw new Error(`no resource ${group}/${kind}`);
  return found;
}

/** A kind as a client uses it: create and update with defaults, preparation and validation. */
export class Kind {
  readonly behaviour: KindBehaviour;
  readonly #resource: ResourceDefinition;

  constructor(group: string, kind: string) {
    this.#resource = resourceOf(group, kind);
    this.behaviour = behaviourOf(this.#resource);
  }

  object(parts: object, name = 'x'): KubeObject {
    const { group, version, kind, namespaced } = this.#resource;
    const apiVersion = group === '' ? version : `${group}/${version}`;
    const { metadata, ...rest } = parts as { metadata?: object };
    return structuredClone({
      apiVersion,
      kind,
      metadata: { name, ...(namespaced ? { namespace: 'default' } : {}), ...metadata },
      ...rest,
    }) as KubeObject;
  }

  /** As it would be stored. */
  created(parts: object, name?: string): KubeObject {
    const object = this.object(parts, name);
    this.behaviour.applyDefaults(object);
    object.metadata.uid = 'u1';
    object.metadata.creationTimestamp = '2026-01-01T00:00:00Z';
    this.behaviour.prepareForCreate(object);
    object.metadata.resourceVersion = '1';
    return object;
  }

  createErrors(parts: object, name?: string): string[] {
    return texts(this.behaviour.validateCreate(this.created(parts, name)));
  }

  /** The stored object after `change`, and what is wrong with it. */
  update(
    old: KubeObject,
    change: (object: KubeObject) => void,
    subresource = '',
  ): { object: KubeObject; errors: string[] } {
    const object = structuredClone(old);
    change(object);
    const before = JSON.stringify(old);
    this.behaviour.applyDefaults(object);
    this.behaviour.prepareForUpdate(object, old, subresource);
    const errors = texts(this.behaviour.validateUpdate(object, old, subresource));
    if (JSON.stringify(old) !== before) throw new Error('the stored object was changed');
    return { object, errors };
  }
}
