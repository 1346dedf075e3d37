import { goQuote } from '../field-error.ts';
import { maxJsonDepth, maxStrictErrors } from './limits.ts';

/** A JSON text that Go's decoder would refuse, with its sentence. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
}

interface Level {
  /** The keys seen so far in an object; undefined in an array. */
  readonly keys: Set<string> | undefined;
  /** The path of the value that is being read: of the latest key, or the latest index. */
  path: string;
  /** The path of the object or array itself. */
  readonly parent: string;
  index: number;
}

const quote = 0x22;
const backslash = 0x5c;

/**
 * The slow, careful reader: walks a JSON text once and answers the paths of keys that occur twice in one object, in order, as
 * Kubernetes names them (`spec.containers[0].name`). Throws `JsonSyntaxError` with Go's sentence. `parseJson` uses it only when
 * something is wrong with a text.
 */
export function findDuplicates(text: string): string[] {
  return new JsonScanner(text).scan();
}

class JsonScanner {
  readonly #text: string;
  #at = 0;
  readonly #stack: Level[] = [];
  readonly #duplicates: string[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  scan(): string[] {
    this.#value('');
    while (this.#stack.length > 0) this.#next(this.#stack.at(-1)!);
    if (this.#peek() !== undefined) throw this.#unexpected('after top-level value');
    return this.#duplicates;
  }

  /** Reads on in the innermost object or array until it has begun another one, or ended. */
  #next(level: Level): void {
    const close = level.keys === undefined ? ']' : '}';
    const first = level.index < 0;
    let char = this.#peek();
    if (char === close) {
      this.#at += 1;
      this.#stack.pop();
      return;
    }
    if (!first) {
      if (char !== ',') {
        throw this.#unexpected(level.keys === undefined ? 'after array element' : 'after object key:value pair');
      }
      this.#at += 1;
      char = this.#peek();
    }
    level.index += 1;
    if (level.keys === undefined) {
      level.path = `${level.parent}[${level.index}]`;
    } else {
      if (char !== '"') throw this.#unexpected('looking for beginning of object key string');
      const key = this.#string();
      level.path = level.parent === '' ? key : `${level.parent}.${key}`;
      if (level.keys.has(key)) this.#duplicate(level.path);
      level.keys.add(key);
      if (this.#peek() !== ':') throw this.#unexpected('after object key');
      this.#at += 1;
    }
    this.#value(level.path);
  }

  #duplicate(path: string): void {
    if (this.#duplicates.length < maxStrictErrors && !this.#duplicates.includes(path)) this.#duplicates.push(path);
  }

  /** Reads a scalar, or the beginning of an object or array. */
  #value(path: string): void {
    const char = this.#peek();
    if (char === '{' || char === '[') {
      if (this.#stack.length >= maxJsonDepth) throw new JsonSyntaxError('exceeded max depth');
      this.#at += 1;
      this.#stack.push({ keys: char === '{' ? new Set() : undefined, path, parent: path, index: -1 });
    } else if (char === '"') this.#string();
    else if (char === 't') this.#literal('true');
    else if (char === 'f') this.#literal('false');
    else if (char === 'n') this.#literal('null');
    else if (char !== undefined && /[-0-9]/.test(char)) this.#number();
    else throw this.#unexpected('looking for beginning of value');
  }

  #literal(word: string): void {
    for (const [i, expected] of [...word].entries()) {
      if (this.#text[this.#at] !== expected) {
        throw this.#unexpected(
          i === 0 ? 'looking for beginning of value' : `in literal ${word} (expecting '${expected}')`,
        );
      }
      this.#at += 1;
    }
  }

  #number(): void {
    const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
    number.lastIndex = this.#at;
    const found = number.exec(this.#text);
    if (found === null) {
      this.#at += 1;
      throw this.#unexpected('in numeric literal');
    }
    this.#at += found[0].length;
    const after = this.#text[this.#at];
    if (after !== undefined && /[.eE]/.test(after)) {
      this.#at += 1;
      throw this.#unexpected(
        after === '.' ? 'after decimal point in numeric literal' : 'in exponent of numeric literal',
      );
    }
  }

  #string(): string {
    const start = this.#at;
    for (this.#at += 1; ; this.#at += 1) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === quote) break;
      if (Number.isNaN(code) || code < 0x20) throw this.#unexpected('in string literal');
      if (code !== backslash) continue;
      this.#at += 1;
      const escaped = this.#text[this.#at];
      if (escaped === undefined || !'"\\/bfnrtu'.includes(escaped)) throw this.#unexpected('in string escape code');
      if (escaped !== 'u') continue;
      for (let i = 0; i < 4; i += 1) {
        this.#at += 1;
        if (!/[0-9a-fA-F]/.test(this.#text[this.#at] ?? ' '))
          throw this.#unexpected('in \\u hexadecimal character escape');
      }
    }
    this.#at += 1;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  /** The next character that is no white space. */
  #peek(): string | undefined {
    for (;;) {
      const char = this.#text[this.#at];
      if (char !== ' ' && char !== '\n' && char !== '\r' && char !== '\t') return char;
      this.#at += 1;
    }
  }

  #unexpected(where: string): JsonSyntaxError {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) return new JsonSyntaxError('unexpected end of JSON input');
    const char = String.fromCodePoint(code);
    const shown = char === "'" ? "'\\''" : char === '"' ? `'"'` : `'${goQuote(char).slice(1, -1)}'`;
    return new JsonSyntaxError(`invalid character ${shown} ${where}`);
  }
}
