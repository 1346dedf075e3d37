import type { ErrorCause } from '../lib/errors.ts';
import type { NameRule } from './metadata.ts';
import type { KubeObject } from './object.ts';

/**
 * What a kind's own file states; `kind-behaviour.ts` adds what all kinds share (metadata, status and generation). Everything is optional.
 *
 * The functions see objects that passed structural validation: types are right, nulls and unknown fields are gone, quantities are canonical.
 * They change `object` in place and never `old`, which is shared. `subresource` is '' for the object itself.
 */
export interface KindRules {
  /** Without it: an RFC 1123 subdomain. */
  readonly nameRule?: NameRule;
  readonly defaults?: (object: KubeObject) => void;
  readonly prepareForCreate?: (object: KubeObject) => void;
  readonly prepareForUpdate?: (object: KubeObject, old: KubeObject, subresource: string) => void;
  /** On create and, without `validateUpdate`, on update of the object itself. */
  readonly validate?: (object: KubeObject) => ErrorCause[];
  readonly validateUpdate?: (object: KubeObject, old: KubeObject, subresource: string) => ErrorCause[];
  /** `validate` adds to what the schema says is required and allowed; kinds without it are checked by the schema alone. */
  readonly structural?: boolean;
  /** In addition to `metadata.name` and `metadata.namespace`. */
  readonly selectableFields?: (object: KubeObject) => Record<string, string>;
  readonly warnings?: (object: KubeObject, old: KubeObject | undefined) => string[];
  /** Seconds that a deletion leaves the object: 0 deletes at once. `requested` is what the client asked for. */
  readonly gracefulDeletion?: (object: KubeObject, requested: number | undefined) => number;
  /** What `status` is on create, for kinds with that subresource; without it `{}`. `'keep'`: the client's. */
  readonly initialStatus?: 'keep' | (() => Record<string, unknown>);
  /** Counts changes of everything but metadata and status in `metadata.generation`. */
  readonly generation?: boolean;
  /** Metadata is checked by `validate` itself: kinds that are answered and never stored. */
  readonly ownMetadata?: boolean;
  readonly allowCreateOnUpdate?: boolean;
  /** Default true. */
  readonly allowUnconditionalUpdate?: boolean;
}
