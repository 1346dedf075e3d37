import { CausewayError } from '../../lib/errors.ts';
import { maxStrictErrors } from './limits.ts';

/** Where in an object a decoder is, for its sentences; and what it found that a strict reading refuses. */
export class ReadingContext {
  readonly strictErrors: string[] = [];
  /** `spec`, `containers`, `[0]`: as strict errors name a place. */
  readonly #path: string[] = [];
  /** The struct types from the outermost to the innermost, and the fields of structs on the way: as type errors name a place. */
  readonly #structs: string[] = [];
  readonly #fields: string[] = [];

  enterStruct(name: string): void {
    this.#structs.push(name);
  }

  leaveStruct(): void {
    this.#structs.pop();
  }

  enterField(name: string): void {
    this.#path.push(name);
    this.#fields.push(name);
  }

  leaveField(): void {
    this.#path.pop();
    this.#fields.pop();
  }

  /** A key of a map, or an index such as `[0]`. */
  enterElement(name: string): void {
    this.#path.push(name);
  }

  leaveElement(): void {
    this.#path.pop();
  }

  unknownField(name: string): void {
    if (this.strictErrors.length >= maxStrictErrors) return;
    this.strictErrors.push(`unknown field ${JSON.stringify(joinPath([...this.#path, name]))}`);
  }

  /** The error of a value of the wrong type, in the words of Go's `encoding/json`. */
  mismatch(value: unknown, goType: string): CausewayError {
    const struct = this.#structs.at(-1);
    const place = struct === undefined ? 'Go value' : `Go struct field ${struct}.${this.#fields.join('.')}`;
    return badValue(`json: cannot unmarshal ${describe(value, goType)} into ${place} of type ${goType}`);
  }
}

export function badValue(sentence: string): CausewayError {
  return new CausewayError('BadRequest', sentence);
}

function joinPath(path: readonly string[]): string {
  return path.reduce((text, part) => (text === '' || part.startsWith('[') ? text + part : `${text}.${part}`), '');
}

function describe(value: unknown, goType: string): string {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return goType.startsWith('int') ? `number ${value}` : 'number';
    case 'boolean':
      return 'bool';
    default:
      return Array.isArray(value) ? 'array' : 'object';
  }
}
