import { LineCounter, parseDocument, stringify, type Tags, visit } from 'yaml';
import { CausewayError } from '../../lib/errors.ts';
import { setOwn } from '../json-object.ts';
import { maxJsonDepth, maxStrictErrors } from '../structural/limits.ts';
import { maxYamlAliases, maxYamlBytes, maxYamlValues } from './limits.ts';

/** A YAML text as a JSON value. Throws `BadRequest`. Duplicate keys are named as strict errors; the last one counts. */
export function parseYaml(text: string): { value: unknown; strictErrors: string[] } {
  if (text.length > maxYamlBytes) {
    throw new CausewayError('RequestEntityTooLarge', `a YAML body may have at most ${maxYamlBytes} bytes`);
  }
  refuseDeepText(text);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { ...dialect, customTags, lineCounter, uniqueKeys: false, logLevel: 'error' });
  const error = document.errors[0];
  if (error !== undefined) throw bad(error.message.split('\n')[0]!);
  const strictErrors: string[] = [];
  visit(document, {
    Map(_, map) {
      const keys = new Set<string>();
      for (const { key } of map.items) {
        const name = String(key);
        if (keys.has(name) && strictErrors.length < maxStrictErrors) {
          const offset = (key as { range?: readonly number[] | null }).range?.[0] ?? 0;
          strictErrors.push(`line ${lineCounter.linePos(offset).line}: key ${JSON.stringify(name)} already set in map`);
        }
        keys.add(name);
      }
    },
  });
  let shared: unknown;
  try {
    shared = document.toJS({ maxAliasCount: maxYamlAliases });
  } catch (cause) {
    throw new CausewayError('BadRequest', 'yaml: document contains excessive aliasing', { cause });
  }
  return { value: unshared(shared), strictErrors };
}

/** Kubernetes' YAML: keys in order, lists not indented. */
export function printYaml(value: unknown): string {
  // Through JSON first: what JSON leaves out, YAML must leave out too.
  const plain: unknown = JSON.parse(JSON.stringify(value));
  return stringify(plain, {
    ...dialect,
    indentSeq: false,
    lineWidth: 0,
    sortMapEntries: true,
    aliasDuplicateObjects: false,
  });
}

/** YAML 1.1, as Kubernetes reads it: `yes` is a boolean, `0644` is octal. */
const dialect = { version: '1.1', schema: 'yaml-1.1' } as const;

/** Reading goes without the types that JSON has not: times, base-60 numbers, binary, sets and ordered maps. */
const customTags = (tags: Tags): Tags => tags.filter((tag) => typeof tag !== 'string' && !isForeign(tag.tag, tag));

const foreignTags = /:(?:timestamp|binary|omap|pairs|set)$/;

function isForeign(name: string, tag: object): boolean {
  return foreignTags.test(name) || ('format' in tag && tag.format === 'TIME');
}

/** Copies the value so that no part of it stands in two places, counting what that costs. */
function unshared(root: unknown): unknown {
  let values = 0;
  const copy = (value: unknown, depth: number): unknown => {
    values += 1;
    if (values > maxYamlValues) throw bad(`yaml: document has more than ${maxYamlValues} values`);
    if (typeof value === 'bigint') return Number(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth > maxJsonDepth) throw bad('yaml: exceeded max depth');
    if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
    const result: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) setOwn(result, key, copy(item, depth + 1));
    return result;
  };
  return copy(root, 0);
}

/** The parser is recursive: refuse what would overflow its stack before it starts. */
function refuseDeepText(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) depth += 1;
    else if ((code === 0x5d || code === 0x7d) && depth > 0) depth -= 1;
    if (depth > maxJsonDepth) throw bad('yaml: exceeded max depth');
  }
}

function bad(sentence: string): CausewayError {
  return new CausewayError('BadRequest', sentence.startsWith('yaml:') ? sentence : `yaml: ${sentence}`);
}
