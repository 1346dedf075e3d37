import type { Codec, Decoded } from '../api/codec/codec.ts';
import { parseYaml } from '../api/codec/yaml-text.ts';
import type { KindBehaviour } from '../api/kind-behaviour.ts';
import type { KubeObject } from '../api/object.ts';
import { applyJsonPatch } from '../api/patch/json-patch.ts';
import { applyMergePatch } from '../api/patch/merge-patch.ts';
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
  const { value, strictErrors } = parsePatch(bytes, media);
  const patched = patchedValue(merge, object, value, media, kind);
  const decoded = codec.decodeValue(patched, kind);
  return strictErrors.length === 0
    ? decoded
    : { object: decoded.object, strictErrors: [...strictErrors, ...decoded.strictErrors] };
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

/** A patch is JSON by its media type; Kubernetes takes YAML for the two merges as well. */
function parsePatch(bytes: Buffer, media: PatchMedia): { value: unknown; strictErrors: readonly string[] } {
  try {
    const { value, duplicates } = parseJson(bytes.toString('utf8'));
    return { value, strictErrors: media === 'application/json-patch+json' ? [] : duplicates };
  } catch (cause) {
    if (media === 'application/json-patch+json') {
      throw new CausewayError(
        'BadRequest',
        `error decoding patch: ${cause instanceof Error ? cause.message : 'no JSON'}`,
      );
    }
    return parseYaml(bytes.toString('utf8'));
  }
}
