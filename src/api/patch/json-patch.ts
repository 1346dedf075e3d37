import { CausewayError } from '../../lib/errors.ts';
import { cloneJson, getOwn, isObject, jsonEqual, setOwn } from '../json-object.ts';
import { maxStrictErrors } from '../structural/limits.ts';
import { depthOf } from './depth.ts';
import { jsonPatchMaxCopyBytes, jsonPatchMaxMovedElements, jsonPatchMaxOperations, patchMaxDepth } from './limits.ts';
import { goKind } from './merge-patch.ts';

type Container = Record<string, unknown> | unknown[];

/**
 * RFC 6902. All operations apply or none does. Like Kubernetes (evanphx/json-patch v4), `add` and `replace` take a missing `value` as null,
 * and array indexes may count from the end (`-1` is the last).
 *
 * Throws `BadRequest` for what is no list of operations, `RequestEntityTooLarge` beyond a limit, and `Invalid` for an operation
 * that does not apply.
 */
export function applyJsonPatch<T extends object>(document: T, patch: unknown): T {
  if (!Array.isArray(patch)) {
    throw badPatch(`json: cannot unmarshal ${goKind(patch)} into Go value of type []handlers.jsonPatchOp`);
  }
  if (patch.length > jsonPatchMaxOperations) {
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${jsonPatchMaxOperations}, got ${patch.length}`);
  }
  const run = new PatchRun(cloneJson(document) as Container);
  for (const operation of patch) run.apply(operation);
  return run.document as T;
}

const operationFields: ReadonlySet<string> = new Set(['op', 'path', 'from', 'value']);

/** What a strict reading of a patch refuses in its operations: `unknown field "[0].paths"`. */
export function unknownOperationFields(patch: unknown): string[] {
  if (!Array.isArray(patch)) return [];
  return patch
    .flatMap((operation: unknown, i) =>
      isObject(operation)
        ? Object.keys(operation).flatMap((key) =>
            operationFields.has(key) ? [] : [`unknown field ${JSON.stringify(`[${i}].${key}`)}`],
          )
        : [],
    )
    .slice(0, maxStrictErrors);
}

class PatchRun {
  document: Container;
  /** Nesting of the document is this or less. */
  #depth: number;
  #copiedBytes = 0;
  #movedElements = 0;

  constructor(document: Container) {
    this.document = document;
    this.#depth = depthOf(document);
  }

  apply(operation: unknown): void {
    if (!isObject(operation)) {
      throw badPatch(`json: cannot unmarshal ${goKind(operation)} into Go value of type handlers.jsonPatchOp`);
    }
    const op = text(operation, 'op') ?? '';
    const path = text(operation, 'path');
    const from = text(operation, 'from');
    switch (op) {
      case 'add':
        this.#add(op, needs(op, 'path', path), this.#value(operation, path));
        break;
      case 'remove':
        this.#remove(op, needs(op, 'path', path));
        break;
      case 'replace':
        this.#replace(needs(op, 'path', path), this.#value(operation, path));
        break;
      case 'move':
        this.#move(needs(op, 'from', from), needs(op, 'path', path));
        break;
      case 'copy':
        this.#copy(needs(op, 'from', from), needs(op, 'path', path));
        break;
      case 'test':
        this.#test(needs(op, 'path', path), getOwn(operation, 'value') ?? null);
        break;
      default:
        throw notApplied(`Unexpected kind: ${op}`);
    }
  }

  /** A copy of the operation's value; what it adds to the document's depth is counted. */
  #value(operation: object, path: string | undefined): unknown {
    const value = getOwn(operation, 'value') ?? null;
    const depth = depthOf(value);
    if (depth > patchMaxDepth) throw badPatch(`exceeded max depth of ${patchMaxDepth}`);
    this.#deepen(tokensOf(path ?? '').length + depth);
    return cloneJson(value);
  }

  #add(op: string, path: string, value: unknown): void {
    const { parent, key } = this.#locate(op, path);
    this.#insert(op, path, parent, key, value);
  }

  #remove(op: string, path: string): unknown {
    const { parent, key } = this.#locate(op, path);
    if (Array.isArray(parent)) {
      const i = arrayIndex(key, parent.length);
      if (i === undefined || i >= parent.length) throw notApplied(`error in ${op} for path: '${path}': invalid index`);
      this.#moveElements(parent.length - i);
      return parent.splice(i, 1)[0];
    }
    if (!Object.hasOwn(parent, key)) {
      throw notApplied(`error in ${op} for path: '${path}': Unable to remove nonexistent key: ${key}: missing value`);
    }
    const value = parent[key];
    delete parent[key];
    return value;
  }

  #replace(path: string, value: unknown): void {
    if (path === '') {
      if (typeof value !== 'object' || value === null) {
        throw notApplied('replace operation value must be object or array');
      }
      this.document = value as Container;
      return;
    }
    const { parent, key } = this.#locate('replace', path);
    if (read(parent, key) === undefined) {
      throw notApplied(`replace operation does not apply: doc is missing key: ${path}: missing value`);
    }
    if (Array.isArray(parent)) parent[arrayIndex(key, parent.length) as number] = value;
    else setOwn(parent, key, value);
  }

  #move(from: string, path: string): void {
    if (path.startsWith(`${from}/`)) throw notApplied('move operation does not apply: destination lies in the source');
    this.#deepen(tokensOf(path).length + this.#depth - tokensOf(from).length);
    const value = this.#remove('move', from);
    const { parent, key } = this.#locate('move', path);
    this.#insert('move', path, parent, key, value);
  }

  #copy(from: string, path: string): void {
    const { parent: source, key: sourceKey } = this.#locate('copy', from);
    const value = from === '' ? this.document : read(source, sourceKey);
    if (value === undefined) throw notApplied(`copy operation does not apply: doc is missing from path: ${from}`);
    this.#deepen(tokensOf(path).length + this.#depth - tokensOf(from).length);
    this.#copiedBytes += Buffer.byteLength(JSON.stringify(value));
    if (this.#copiedBytes > jsonPatchMaxCopyBytes) {
      throw tooLarge(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copiedBytes}, exceeding the limit ${jsonPatchMaxCopyBytes}`,
      );
    }
    const { parent, key } = this.#locate('copy', path);
    this.#insert('copy', path, parent, key, cloneJson(value));
  }

  #test(path: string, expected: unknown): void {
    const { parent, key } = this.#locate('test', path);
    const actual = path === '' ? this.document : read(parent, key);
    if (depthOf(expected) > patchMaxDepth) throw badPatch(`exceeded max depth of ${patchMaxDepth}`);
    if (!jsonEqual(actual ?? null, expected)) throw notApplied(`testing value ${path} failed: test failed`);
  }

  #insert(op: string, path: string, parent: Container, key: string, value: unknown): void {
    if (!Array.isArray(parent)) {
      setOwn(parent, key, value);
      return;
    }
    const i = key === '-' ? parent.length : arrayIndex(key, parent.length + 1);
    if (i === undefined || i > parent.length) {
      throw notApplied(
        `error in ${op} for path: '${path}': Unable to access invalid index: ${key}: invalid index referenced`,
      );
    }
    this.#moveElements(parent.length - i);
    parent.splice(i, 0, value);
  }

  /** The container that holds the last token of the path, and that token. */
  #locate(op: string, path: string): { parent: Container; key: string } {
    const tokens = tokensOf(path);
    const key = tokens.pop();
    // Kubernetes knows the whole document only in `replace`, `test` and, as a source, `copy`.
    if (key === undefined) {
      if (op === 'test' || op === 'copy') return { parent: this.document, key: '' };
      throw notApplied(`${op} operation does not apply: doc is missing path: "${path}": missing value`);
    }
    let parent = this.document;
    for (const token of tokens) {
      const next = read(parent, token);
      if (typeof next !== 'object' || next === null) {
        throw notApplied(`${op} operation does not apply: doc is missing path: "${path}": missing value`);
      }
      parent = next as Container;
    }
    return { parent, key };
  }

  #deepen(depth: number): void {
    this.#depth = Math.max(this.#depth, depth);
    if (this.#depth > patchMaxDepth) throw badPatch(`exceeded max depth of ${patchMaxDepth}`);
  }

  #moveElements(count: number): void {
    this.#movedElements += count;
    if (this.#movedElements > jsonPatchMaxMovedElements) {
      throw tooLarge(`A JSON patch may move at most ${jsonPatchMaxMovedElements} array elements`);
    }
  }
}

function text(operation: object, field: string): string | undefined {
  const value = getOwn(operation, field);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') {
    throw badPatch(`json: cannot unmarshal ${goKind(value)} into Go struct field jsonPatchOp.${field} of type string`);
  }
  return value;
}

function needs(op: string, field: string, value: string | undefined): string {
  if (value === undefined) throw notApplied(`${op} operation failed to decode ${field}: missing value`);
  return value;
}

/** RFC 6901: `/a~1b/0` is `a/b`, `0`. A path that does not begin with a slash names nothing. */
function tokensOf(path: string): string[] {
  if (path === '') return [];
  const [first, ...tokens] = path.split('/');
  if (first !== '') throw notApplied(`operation does not apply: doc is missing path: "${path}": missing value`);
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Undefined when nothing is there. */
function read(container: Container, key: string): unknown {
  if (!Array.isArray(container)) return getOwn(container, key);
  const i = arrayIndex(key, container.length);
  return i === undefined ? undefined : container[i];
}

/** Decimal digits only, so that `1e9`, `0x1` and ` 1` are no indexes; negative ones count from the end. */
function arrayIndex(token: string, length: number): number | undefined {
  if (!/^-?[0-9]{1,10}$/.test(token)) return undefined;
  const i = Number(token);
  if (i >= 0) return i;
  return i < -length ? undefined : i + length;
}

function badPatch(reason: string): CausewayError {
  return new CausewayError('BadRequest', `error decoding patch: ${reason}`);
}

function tooLarge(reason: string): CausewayError {
  return new CausewayError('RequestEntityTooLarge', `Request entity too large: ${reason}`);
}

/** Kubernetes' general sentence; which operation failed and why is in the causes, which kubectl shows. */
function notApplied(reason: string): CausewayError {
  return new CausewayError('Invalid', 'the server rejected our request due to an error in our request', {
    details: { causes: [{ reason: 'FieldValueInvalid', field: 'patch', message: reason }] },
  });
}
