import type { ErrorCause } from '../lib/errors.ts';

/**
 * Builds `ErrorCause`s whose sentences equal those of Kubernetes' `field.Error`. A path is a string such as
 * `spec.containers[0].name`; `child`, `index` and `key` extend it.
 */
export function child(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

export function index(path: string, i: number): string {
  return `${path}[${i}]`;
}

export function key(path: string, k: string): string {
  return `${path}[${k}]`;
}

export function required(field: string, detail = ''): ErrorCause {
  return cause('FieldValueRequired', 'Required value', field, detail);
}

export function forbidden(field: string, detail: string): ErrorCause {
  return cause('FieldValueForbidden', 'Forbidden', field, detail);
}

export function invalidValue(field: string, value: unknown, detail: string): ErrorCause {
  return cause('FieldValueInvalid', `Invalid value: ${show(value)}`, field, detail);
}

export function duplicate(field: string, value: unknown): ErrorCause {
  return cause('FieldValueDuplicate', `Duplicate value: ${show(value)}`, field, '');
}

/** `field.NotFound`: the value names something that is not there. */
export function notFoundValue(field: string, value: unknown): ErrorCause {
  return cause('FieldValueNotFound', `Not found: ${show(value)}`, field, '');
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): ErrorCause {
  const detail = supported.length === 0 ? '' : `supported values: ${supported.map(goQuote).join(', ')}`;
  return cause('FieldValueNotSupported', `Unsupported value: ${show(value)}`, field, detail);
}

export function tooLong(field: string, maxBytes: number): ErrorCause {
  return cause(
    'FieldValueTooLong',
    'Too long',
    field,
    `may not be more than ${maxBytes} ${maxBytes === 1 ? 'byte' : 'bytes'}`,
  );
}

export function tooMany(field: string, actual: number, max: number): ErrorCause {
  return cause(
    'FieldValueTooMany',
    `Too many: ${actual}`,
    field,
    `must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
  );
}

/** One `invalidValue` for each message. */
export function invalidEach(field: string, value: unknown, messages: readonly string[]): ErrorCause[] {
  return messages.map((message) => invalidValue(field, value, message));
}

function cause(reason: string, text: string, field: string, detail: string): ErrorCause {
  return { reason, message: detail === '' ? text : `${text}: ${detail}`, field };
}

function show(value: unknown): string {
  if (typeof value === 'string') return goQuote(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return JSON.stringify(value) ?? 'null';
}

const escapes = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
]);

/** A string as Go's `%q` prints it. */
export function goQuote(text: string): string {
  let out = '"';
  for (const char of text) {
    const escaped = escapes.get(char);
    if (escaped !== undefined) {
      out += escaped;
      continue;
    }
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) out += char;
    else if (code < 0x10000) out += `\\u${code.toString(16).padStart(4, '0')}`;
    else out += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return `${out}"`;
}

/** All causes in one list. Mostly there are none. */
export function together(...lists: readonly (readonly ErrorCause[])[]): ErrorCause[] {
  const all: ErrorCause[] = [];
  for (const list of lists) for (const cause of list) all.push(cause);
  return all;
}
