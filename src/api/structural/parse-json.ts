import { findDuplicates, JsonSyntaxError } from './json-scanner.ts';
import { maxJsonDepth } from './limits.ts';

export interface ParsedJson {
  readonly value: unknown;
  /** Sentences such as `duplicate field "spec.replicas"`. The last of them counts. */
  readonly duplicates: readonly string[];
}

/**
 * Parses a JSON text and finds keys that occur twice, at nearly the price of `JSON.parse`: a second look is taken only when the text
 * has more members than the value that came of it. Throws `JsonSyntaxError`.
 */
export function parseJson(text: string): ParsedJson {
  const { members, depth } = measure(text);
  if (depth > maxJsonDepth) throw new JsonSyntaxError('exceeded max depth');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    findDuplicates(text); // throws with Go's sentence
    throw new JsonSyntaxError('invalid JSON', { cause });
  }
  if (members === countMembers(value)) return { value, duplicates: [] };
  return { value, duplicates: findDuplicates(text).map((path) => `duplicate field ${JSON.stringify(path)}`) };
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Members of all objects and the deepest nesting, read off the punctuation outside strings. Means nothing for broken JSON. */
function measure(text: string): { members: number; depth: number } {
  let members = 0;
  let level = 0;
  let depth = 0;
  const length = text.length;
  for (let at = 0; at < length; at += 1) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at);
        break;
      case colon:
        members += 1;
        break;
      case openBrace:
      case openBracket:
        level += 1;
        if (level > depth) depth = level;
        break;
      case closeBrace:
      case closeBracket:
        level -= 1;
        break;
      default:
    }
  }
  return { members, depth };
}

/** The place of the quote that ends the string which begins at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item);
    return count;
  }
  for (const key in value) {
    count += 1 + countMembers((value as Record<string, unknown>)[key]);
  }
  return count;
}
