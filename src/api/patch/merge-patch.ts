import { CausewayError } from '../../lib/errors.ts';
import { cloneJson, getOwn, isObject, type JsonObject, setOwn } from '../json-object.ts';
import { checkDepth } from './depth.ts';

/** RFC 7386: objects merge, `null` removes, everything else replaces. Throws `BadRequest` for a patch that is no object. */
export function applyMergePatch<T extends object>(document: T, patch: unknown): T {
  if (!isObject(patch)) {
    throw new CausewayError(
      'BadRequest',
      `error decoding patch: json: cannot unmarshal ${goKind(patch)} into Go value of type map[string]interface {}`,
    );
  }
  checkDepth(patch);
  return mergeValue(document, patch) as T;
}

function mergeValue(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return cloneJson(patch);
  const result: JsonObject = {};
  if (isObject(target)) {
    for (const key of Object.keys(target)) {
      if (!Object.hasOwn(patch, key)) setOwn(result, key, cloneJson(target[key]));
      else if (patch[key] !== null) setOwn(result, key, mergeValue(target[key], patch[key]));
    }
  }
  for (const key of Object.keys(patch)) {
    if (patch[key] === null || (isObject(target) && Object.hasOwn(target, key))) continue;
    setOwn(result, key, mergeValue(undefined, getOwn(patch, key)));
  }
  return result;
}

/** What Go's JSON decoder calls a value. */
export function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return value === null ? 'null' : typeof value;
}
