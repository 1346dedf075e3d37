import { getOwn, isObject, semanticEqual } from '../json-object.ts';

/** At most this many lines: a message is no place for a whole object. */
const maxLines = 20;

/** Where two values differ: `spec.containers[0].name: "a" -> "b"`, for the reader of an error. */
export function differences(before: unknown, after: unknown, path: string): string[] {
  const lines: string[] = [];
  collect(before, after, path, lines);
  return lines.length > maxLines ? [...lines.slice(0, maxLines), '…'] : lines;
}

function collect(before: unknown, after: unknown, path: string, lines: string[]): void {
  if (lines.length > maxLines || semanticEqual(before, after)) return;
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      collect(getOwn(before, key), getOwn(after, key), `${path}.${key}`, lines);
    }
  } else if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (const [i, item] of before.entries()) collect(item, after[i], `${path}[${i}]`, lines);
  } else {
    lines.push(`${path}: ${show(before)} -> ${show(after)}`);
  }
}

function show(value: unknown): string {
  return value === undefined ? '<unset>' : JSON.stringify(value);
}
