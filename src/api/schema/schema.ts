import { readFileSync } from 'node:fs';
import type { ResourceDefinition } from '../scheme.ts';
import type { DefinitionSchema, SchemaSource } from './definition.ts';

/** The built-in kinds. A definition is parsed when it is first asked for. */
export interface Schema extends SchemaSource {
  names(): IterableIterator<string>;
  /** The definition of a top-level kind, also of those that are no resource: `DeleteOptions`, `Status`, `PodList`. */
  definitionOf(group: string, version: string, kind: string): string | undefined;
  readonly resources: readonly ResourceDefinition[];
  readonly groups: readonly { readonly name: string; readonly versions: readonly string[] }[];
  /** A hash of everything that the schema was made from. */
  readonly inputs: string;
}

interface Kinds {
  readonly inputs: string;
  readonly resources: readonly ResourceDefinition[];
  readonly groups: readonly { readonly name: string; readonly versions: readonly string[] }[];
  readonly kinds: Readonly<Record<string, string>>;
}

/** Kinds that belong to every group-version; their definitions are meta's. */
const everyGroup: ReadonlySet<string> = new Set([
  'CreateOptions',
  'DeleteOptions',
  'PatchOptions',
  'UpdateOptions',
  'WatchEvent',
]);
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

let loaded: Schema | undefined;

/** The schema that `npm run schema` made. Read once; it never changes in a running process. */
export function loadSchema(): Schema {
  loaded ??= readSchema();
  return loaded;
}

function readSchema(): Schema {
  const { inputs, resources, groups, kinds } = JSON.parse(readGenerated('kinds.json')) as Kinds;
  const text = readGenerated('schema.jsonl');
  const found = new Map<string, DefinitionSchema | [start: number, end: number]>(lineIndex(text));
  const index = new Map(Object.entries(kinds));
  return {
    inputs,
    resources,
    groups,
    names: () => found.keys(),
    definitionOf(group, version, kind) {
      if (everyGroup.has(kind)) return `${meta}.${kind}`;
      return (
        index.get(`${group}/${version}/${kind}`) ?? (group === 'meta.k8s.io' ? metaDefinition(found, kind) : undefined)
      );
    },
    get(name) {
      const entry = found.get(name);
      if (!Array.isArray(entry)) return entry;
      const parsed = { name, ...(JSON.parse(text.slice(...entry)) as Omit<DefinitionSchema, 'name'>) };
      found.set(name, parsed);
      return parsed;
    },
  };
}

function metaDefinition(found: ReadonlyMap<string, unknown>, kind: string): string | undefined {
  return found.has(`${meta}.${kind}`) ? `${meta}.${kind}` : undefined;
}

/** Where the JSON of each definition stands: lines of `<name> <JSON>`. */
export function* lineIndex(text: string): Generator<[string, [start: number, end: number]]> {
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf('\n', start);
    const space = text.indexOf(' ', start);
    yield [text.slice(start, space), [space + 1, end]];
    start = end + 1;
  }
}

/** A file that the build step made. */
export function readGenerated(file: string): string {
  try {
    return readFileSync(new URL(`../generated/${file}`, import.meta.url), 'utf8');
  } catch (cause) {
    throw new Error(`src/api/generated/${file} is missing: run npm run schema`, { cause });
  }
}
