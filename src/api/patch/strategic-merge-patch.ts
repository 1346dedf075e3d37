import { CausewayError } from '../../lib/errors.ts';
import { cloneJson, getOwn, isObject, type JsonObject, jsonEqual, setOwn } from '../json-object.ts';
import type { FieldMergeInfo, MergeSchema } from '../schema/merge-schema.ts';
import { checkDepth } from './depth.ts';
import { elementId, orderElements, positions } from './element-order.ts';
import { goKind } from './merge-patch.ts';

const orderPrefix = '$setElementOrder/';
const deletePrefix = '$deleteFromPrimitiveList/';
const retainKeys = '$retainKeys';
const marker = '$patch';

/** Where in the schema a value stands: a struct, a map whose values are structs or scalars, or nowhere known. */
interface Place {
  readonly definition?: string | undefined;
  readonly mapOf?: string | undefined;
}

/**
 * Kubernetes' strategic merge: objects merge, lists merge by their merge key where the schema says so and are replaced otherwise,
 * `null` removes. Directives of the patch are obeyed and never stored.
 *
 * `definition` is that of the document (`ResourceDefinition.definition`). Throws `BadRequest`.
 */
export function applyStrategicMergePatch<T extends object>(
  document: T,
  patch: unknown,
  definition: string,
  schema: MergeSchema,
): T {
  if (!isObject(patch)) {
    throw bad(`json: cannot unmarshal ${goKind(patch)} into Go value of type map[string]interface {}`);
  }
  checkDepth(patch);
  return new Merge(schema).merge(cloneJson(document) as JsonObject, cloneJson(patch), { definition }) as T;
}

class Merge {
  readonly #schema: MergeSchema;

  constructor(schema: MergeSchema) {
    this.#schema = schema;
  }

  /** Merges into `original`. Both are ours to change. */
  merge(original: JsonObject, patch: JsonObject, place: Place): JsonObject {
    const directive = getOwn(patch, marker);
    if (directive !== undefined) {
      delete patch[marker];
      if (directive === 'replace') return added(patch) as JsonObject;
      if (directive === 'delete') return {};
      if (directive !== 'merge') throw bad(`unknown patch type: ${print(directive)} in map: ${print(patch)}`);
    }
    retain(original, patch);
    this.#mergeOrderedLists(original, patch, place);
    for (const key of Object.keys(patch)) this.#mergeField(original, key, patch[key], place);
    return original;
  }

  #mergeField(original: JsonObject, key: string, value: unknown, place: Place): void {
    if (key.startsWith(deletePrefix)) {
      this.#deleteScalars(original, key.slice(deletePrefix.length), value);
      return;
    }
    if (key.startsWith('$deleteFromPrimitiveList')) throw bad('invalid patch format of primitive list');
    if (key.startsWith('$')) throw bad(`unknown directive ${print(key)} in patch`);
    if (value === null) {
      delete original[key];
      return;
    }
    const current = getOwn(original, key);
    const info = this.#info(place, key);
    if (isObject(current) && isObject(value) && info?.kind !== 'scalar') {
      if (strategyOf(info) === 'replace') this.#set(original, key, value);
      else setOwn(original, key, this.merge(current, value, placeOf(info)));
    } else if (Array.isArray(current) && Array.isArray(value) && strategyOf(info) === 'merge') {
      setOwn(original, key, this.#mergeList(current, value, info));
    } else if (info?.kind === 'scalar') {
      // Any JSON, such as a ControllerRevision's data: a `$patch` in it is data.
      setOwn(original, key, value);
    } else {
      this.#set(original, key, value);
    }
  }

  #set(original: JsonObject, key: string, value: unknown): void {
    const kept = added(value);
    if (kept === undefined) delete original[key];
    else setOwn(original, key, kept);
  }

  #deleteScalars(original: JsonObject, key: string, value: unknown): void {
    if (!Array.isArray(value)) throw bad('invalid patch format of primitive list');
    const current = getOwn(original, key);
    if (!Array.isArray(current)) return;
    if (current.some((item) => typeof item === 'object')) throw bad('invalid patch format of primitive list');
    const doomed = new Set(value);
    setOwn(
      original,
      key,
      current.filter((item) => !doomed.has(item)),
    );
  }

  /** Lists with `$setElementOrder/<field>`: merged first, then put in the order that it states. */
  #mergeOrderedLists(original: JsonObject, patch: JsonObject, place: Place): void {
    for (const directive of Object.keys(patch)) {
      if (!directive.startsWith('$setElementOrder')) continue;
      const order = patch[directive];
      const key = directive.startsWith(orderPrefix) ? directive.slice(orderPrefix.length) : undefined;
      if (key === undefined || !Array.isArray(order)) throw bad('invalid patch format of setElementOrder list');
      delete patch[directive];
      const info = this.#info(place, key);
      if (info === undefined) throw bad(`unable to find api field in struct for the json field ${print(key)}`);
      const current = getOwn(original, key);
      const change = getOwn(patch, key);
      delete patch[key];
      if (change === null) {
        delete original[key];
        continue;
      }
      for (const list of [current, change]) {
        if (list !== undefined && !Array.isArray(list)) {
          throw bad(
            `expected a []interface {}, but received a ${isObject(list) ? 'map[string]interface {}' : goKind(list)}`,
          );
        }
      }
      const stored = current as unknown[] | undefined;
      const changes = change as unknown[] | undefined;
      checkOrder(changes ?? [], order, info.mergeKey);
      if (stored === undefined && changes === undefined) continue;
      setOwn(original, key, this.#ordered(stored, changes, order, info));
    }
  }

  #ordered(
    stored: unknown[] | undefined,
    changes: unknown[] | undefined,
    order: readonly unknown[],
    info: FieldMergeInfo,
  ): unknown[] {
    const before = [...(stored ?? [])];
    let merged = before;
    if (changes !== undefined) {
      if (stored === undefined || strategyOf(info) !== 'merge') merged = added(changes) as unknown[];
      else merged = this.#mergeList([...stored], changes, info);
    }
    if (info.mergeKey !== undefined) for (const element of [...merged, ...order]) requireKey(element, info.mergeKey);
    return orderElements(merged, order, before, info.mergeKey);
  }

  #mergeList(original: unknown[], patch: unknown[], info: FieldMergeInfo | undefined): unknown[] {
    if (original.length === 0 && patch.length === 0) return original;
    const kinds = new Set([...original, ...patch].map(goKind));
    if (kinds.has('array')) throw bad('lists of lists are not supported');
    if (kinds.size > 1) throw bad(`list element types are not identical: ${print([original, patch])}`);
    if (!kinds.has('object')) return orderElements([...new Set([...original, ...patch])], patch, original, undefined);
    const mergeKey = info?.mergeKey;
    if (mergeKey === undefined) throw bad('cannot merge lists without merge key');

    const { kept, changes } = obeyElementDirectives(original as JsonObject[], patch as JsonObject[], mergeKey);
    const before = [...kept];
    const at = positions(kept, mergeKey);
    const merged: unknown[] = kept;
    for (const change of changes) {
      requireKey(change, mergeKey);
      const id = elementId(change, mergeKey);
      const i = at.get(id);
      if (i !== undefined) {
        merged[i] = this.merge(merged[i] as JsonObject, change, { definition: info?.elementDefinition });
      } else {
        at.set(id, merged.length);
        merged.push(added(change));
      }
    }
    return orderElements(merged, changes, before, mergeKey);
  }

  #info(place: Place, key: string): FieldMergeInfo | undefined {
    if (place.definition !== undefined) return this.#schema.fieldMergeInfo(place.definition, key);
    if (place.mapOf !== undefined) return { kind: 'object', strategy: [], elementDefinition: place.mapOf };
    return undefined;
  }
}

function placeOf(info: FieldMergeInfo | undefined): Place {
  if (info?.kind === 'object') return { definition: info.elementDefinition };
  return info?.kind === 'map' ? { mapOf: info.elementDefinition } : {};
}

function strategyOf(info: FieldMergeInfo | undefined): 'merge' | 'replace' | undefined {
  return info?.strategy.find((s) => s !== 'retainKeys') as 'merge' | 'replace' | undefined;
}

/** `$retainKeys`: of the stored fields only those listed stay, so that a union such as a volume or a strategy can change its arm. */
function retain(original: JsonObject, patch: JsonObject): void {
  const listed = getOwn(patch, retainKeys);
  if (listed === undefined) return;
  delete patch[retainKeys];
  if (!Array.isArray(listed)) throw bad('invalid patch format of retainKeys');
  const keys = new Set(listed);
  for (const key of Object.keys(patch)) {
    if (patch[key] === null || key.startsWith('$')) continue;
    if (!keys.has(key)) throw bad('invalid patch format of retainKeys');
  }
  for (const key of Object.keys(original)) if (!keys.has(key)) delete original[key];
}

/** Elements `{$patch: delete, <mergeKey>: …}` delete, an element `{$patch: replace}` drops what is stored. */
function obeyElementDirectives(
  original: JsonObject[],
  patch: JsonObject[],
  mergeKey: string,
): { kept: JsonObject[]; changes: JsonObject[] } {
  const changes: JsonObject[] = [];
  const doomed = new Set<unknown>();
  let replace = false;
  for (const element of patch) {
    const directive = getOwn(element, marker);
    if (directive === undefined) changes.push(element);
    else if (directive === 'replace') replace = true;
    else if (directive === 'merge') throw bad('merging lists cannot yet be specified in the patch');
    else if (directive !== 'delete') throw bad(`unknown patch type: ${print(directive)} in map: ${print(element)}`);
    else {
      requireKey(element, mergeKey);
      doomed.add(elementId(element, mergeKey));
    }
  }
  const kept = replace ? [] : original.filter((element) => !doomed.has(elementId(element, mergeKey)));
  return { kept, changes };
}

/** The patch's elements must stand in the order that `$setElementOrder` states, and all of them in it. */
function checkOrder(changes: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): void {
  if (changes.length === 0 || order.length === 0) return;
  let at = 0;
  for (const change of changes) {
    if (isObject(change) && Object.hasOwn(change, marker)) continue;
    if (mergeKey !== undefined) requireKey(change, mergeKey);
    while (at < order.length && !jsonEqual(elementId(order[at], mergeKey), elementId(change, mergeKey))) at += 1;
    if (at === order.length) {
      throw bad(
        `The order in patch list:\n${print(changes)}\n doesn't match $setElementOrder list:\n${print(order)}\n`,
      );
    }
    at += 1;
  }
}

function requireKey(element: unknown, mergeKey: string): void {
  if (!isObject(element)) throw bad(`expected a map[string]interface {}, but received a ${goKind(element)}`);
  if (!Object.hasOwn(element, mergeKey)) {
    throw bad(`map: ${print(element)} does not contain declared merge key: ${mergeKey}`);
  }
}

/** A value that is new in the object: without nulls and directives. Undefined when it is a directive itself. */
function added(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(added).filter((item) => item !== undefined);
  if (!isObject(value)) return value;
  if (Object.hasOwn(value, marker)) return undefined;
  const result: JsonObject = {};
  for (const key of Object.keys(value)) {
    if (value[key] === null || isDirective(key)) continue;
    const kept = added(value[key]);
    if (kept !== undefined) setOwn(result, key, kept);
  }
  return result;
}

function isDirective(key: string): boolean {
  return key === retainKeys || key.startsWith(orderPrefix) || key.startsWith(deletePrefix);
}

/** As Go's `%v` prints it. */
function print(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(print).join(' ')}]`;
  if (!isObject(value)) return value === null ? '<nil>' : String(value);
  const fields = Object.keys(value).sort();
  return `map[${fields.map((key) => `${key}:${print(value[key])}`).join(' ')}]`;
}

function bad(reason: string): CausewayError {
  return new CausewayError('BadRequest', reason);
}
