import type { GroupVersionKind, KubeObject } from '../api/object.ts';
import type { ResourceDefinition, Scheme } from '../api/scheme.ts';
import type { ErrorCause } from '../lib/errors.ts';

export type Media = 'json' | 'yaml' | 'protobuf';

/** A parsed body, and what a strict reading finds wrong with it: `unknown field "spec.foo"`, `duplicate field "kind"`. */
export interface Decoded {
  readonly object: KubeObject;
  readonly strictErrors: readonly string[];
}

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

/** How objects of a resource are shown in a Table. */
export interface TableShape {
  readonly columns: readonly TableColumn[];
  cells(object: KubeObject): readonly unknown[];
}

/**
 * What a kind does when it is written. `subresource` is '' for the object itself; a status update keeps everything but the status.
 * The functions change `object` in place and never `old`.
 */
export interface KindBehaviour {
  applyDefaults(object: KubeObject): void;
  prepareForCreate(object: KubeObject): void;
  prepareForUpdate(object: KubeObject, old: KubeObject, subresource: string): void;
  validateCreate(object: KubeObject): readonly ErrorCause[];
  validateUpdate(object: KubeObject, old: KubeObject, subresource: string): readonly ErrorCause[];
  warnings(object: KubeObject, old: KubeObject | undefined): readonly string[];
  /** A PUT of a name that does not exist creates it. */
  readonly allowCreateOnUpdate: boolean;
  /** A PUT without `resourceVersion` is taken; otherwise it is refused. */
  readonly allowUnconditionalUpdate: boolean;
}

export type PatchMedia =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json';

/** Everything that handlers need to know about kinds. */
export interface Machinery {
  readonly scheme: Scheme;
  /** Throws `BadRequest`. A body without apiVersion and kind is taken for `expected`. */
  decode(bytes: Buffer, media: Media, expected: GroupVersionKind): Decoded;
  /** Complete with the `k8s\0` envelope. */
  encodeProtobuf(object: KubeObject): Buffer;
  encodeYaml(object: unknown): Buffer;
  /** Turns `{type, object}` into the bytes of a protobuf watch frame, its length in front. */
  encodeProtobufWatchEvent(type: string, object: KubeObject): Buffer;
  behaviour(resource: ResourceDefinition): KindBehaviour;
  /** The patched copy of `object`. Throws `BadRequest` or `Invalid`. */
  patch(object: KubeObject, patch: Buffer, media: PatchMedia, resource: ResourceDefinition): Decoded;
  table(resource: ResourceDefinition): TableShape;
  /** Throws `BadRequest` with Kubernetes' sentence. */
  labelSelector(text: string): (labels: Readonly<Record<string, string>> | undefined) => boolean;
  /** Throws `BadRequest` for a field that the kind cannot be selected by. */
  fieldSelector(text: string, resource: ResourceDefinition): (object: KubeObject) => boolean;
}
