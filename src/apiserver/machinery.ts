import type { Codec, Decoded, Media } from '../api/codec/codec.ts';
import type { KindBehaviour } from '../api/kind-behaviour.ts';
import type { GroupVersionKind, KubeObject } from '../api/object.ts';
import type { ResourceDefinition, Scheme } from '../api/scheme.ts';
import type { TableDefinition } from '../api/table/definitions.ts';

export type { Decoded, Media };

export type PatchMedia =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json';

/** A kind and its schema definition: `io.k8s.api.core.v1.Pod`. Every `ResourceDefinition` is one. */
export interface KindDefinition extends GroupVersionKind {
  readonly definition: string;
}

/** Everything that handlers need to know about kinds. */
export interface Machinery {
  readonly scheme: Scheme;
  /** Ms since the epoch: ages in Tables. */
  now(): number;
  readonly codec: Codec;
  behaviour(resource: ResourceDefinition): KindBehaviour;
  /** The patched copy of `object`. Throws `BadRequest` or `Invalid`. */
  patch(object: KubeObject, patch: Buffer, media: PatchMedia, kind: KindDefinition): Decoded;
  table(resource: Pick<ResourceDefinition, 'group' | 'kind'>): TableDefinition;
  /** Throws `BadRequest` with Kubernetes' sentence. */
  labelSelector(text: string): (labels: Readonly<Record<string, string>> | undefined) => boolean;
  /** Throws `BadRequest` for a field that the kind cannot be selected by. */
  fieldSelector(text: string, resource: ResourceDefinition): (object: KubeObject) => boolean;
}
