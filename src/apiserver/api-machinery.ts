import { UnusableBodyError } from '../api/codec/body-error.ts';
import type { Codec, Decoded } from '../api/codec/codec.ts';
import type { KindBehaviour } from '../api/kind-behaviour.ts';
import type { KubeObject } from '../api/object.ts';
import { applyJsonPatch, unknownOperationFields } from '../api/patch/json-patch.ts';
import { applyMergePatch } from '../api/patch/merge-patch.ts';
import { invalidPatch } from '../api/patch/patch-error.ts';
import { applyStrategicMergePatch } from '../api/patch/strategic-merge-patch.ts';
import type { MergeSchema } from '../api/schema/merge-schema.ts';
import type { ResourceDefinition, Scheme } from '../api/scheme.ts';
import { parseFieldSelector } from '../api/selector/field-selector.ts';
import { parseLabelSelector } from '../api/selector/label-selector.ts';
import { parseJson } from '../api/structural/parse-json.ts';
import { tableOf } from '../api/table/definitions.ts';
import type { Clock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import type { KindDefinition, Machinery, PatchMedia } from './machinery.ts';

export interface ApiMachineryOptions {
  readonly scheme: Scheme;
  readonly codec: Codec;
  readonly merge: MergeSchema;
  readonly clock: Clock;
  kind(resource: ResourceDefinition): KindBehaviour;
}

/** `src/api` as the handlers use it. */
export function apiMachinery(options: ApiMachineryOptions): Machinery {
  const { codec, merge } = options;
  return {
    scheme: options.scheme,
    codec,
    now: () => options.clock.now(),
    behaviour: (resource) => options.kind(resource),
    patch: (object, patch, media, kind) => applyPatch(codec, merge, object, patch, media, kind),
    table: tableOf,
    labelSelector(text) {
      const selector = parseLabelSelector(text);
      return (labels) => selector.matches(labels ?? {});
    },
    fieldSelector(text, resource) {
      const selector = parseFieldSelector(text, resource);
      const kind = options.kind(resource);
      return (object) => selector.matches(kind.selectableFields(object));
    },
  };
}

function applyPatch(
  codec: Codec,
  merge: MergeSchema,
  object: KubeObject,
  bytes: Buffer,
  media: PatchMedia,
  kind: KindDefinition,
): Decoded {
  const text = bytes.toString('utf8');
  const { value, strictErrors } = parsePatch(text, media);
  const patched = patchedValue(merge, object, value, media, kind);
  try {
    const decoded = codec.decodeValue(patched, kind);
    return strictErrors.length === 0
      ? decoded
      : { object: decoded.object, strictErrors: [...strictErrors, ...decoded.strictErrors] };
  } catch (error) {
    throw error instanceof UnusableBodyError ? invalidPatch(text, error.why) : error;
  }
}

function patchedValue(
  merge: MergeSchema,
  object: KubeObject,
  patch: unknown,
  media: PatchMedia,
  kind: KindDefinition,
): unknown {
  switch (media) {
    case 'application/json-patch+json':
      return applyJsonPatch(object, patch);
    case 'application/merge-patch+json':
      return applyMergePatch(object, patch);
    case 'application/strategic-merge-patch+json':
      return applyStrategicMergePatch(object, patch, kind.definition, merge);
  }
}

/** The value of a patch, and what a strict reading of it refuses. Throws `BadRequest` for what is no JSON. */
function parsePatch(text: string, media: PatchMedia): { value: unknown; strictErrors: readonly string[] } {
  try {
    const { value, duplicates } = parseJson(text);
    if (media !== 'application/json-patch+json') return { value, strictErrors: duplicates };
    const strictErrors = [...duplicates, ...unknownOperationFields(value)].map((error) => `json patch ${error}`);
    return { value, strictErrors };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'no JSON';
    const place = media === 'application/strategic-merge-patch+json' ? '' : 'error decoding patch: ';
    throw new CausewayError('BadRequest', `${place}${why}`);
  }
}
