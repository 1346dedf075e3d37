import { fieldTable } from '../../src/api/protobuf/fields.ts';
import type {
  DescribedDefinition,
  DescribedProperty,
  ListType,
  PatchStrategy,
} from '../../src/api/schema/definition.ts';
import { atomicStructTable, mergeKeyTable } from '../../src/api/schema/merge-keys.ts';
import { unionTable } from './rules.ts';

interface MergeRow {
  listType?: ListType;
  listMapKeys?: string[];
  mapType?: 'atomic' | 'granular';
  patchStrategy?: PatchStrategy[];
  patchMergeKey?: string;
}

/** Adds list types, merge keys, map types and unions to the definitions. A row that names nothing is an error. */
export function withMergeKeys(definitions: readonly DescribedDefinition[]): DescribedDefinition[] {
  const rows = new Map(lines(mergeKeyTable).map(([name, ...words]) => [name!, mergeRow(words)]));
  const atomic = new Set(lines(atomicStructTable).map(([name]) => name!));
  const result = definitions.map((definition) => {
    const short = shortName(definition.name);
    const properties: Record<string, DescribedProperty> = {};
    for (const [key, property] of Object.entries(definition.properties ?? {})) {
      const row = rows.get(`${short}.${key}`);
      rows.delete(`${short}.${key}`);
      const untyped = (key === 'items' && short.endsWith('List')) || `${short}.${key}` === 'meta.v1.APIResource.verbs';
      const listType: MergeRow = property.type === 'array' && !untyped ? { listType: 'atomic' } : {};
      properties[key] = { ...property, ...listType, ...row };
    }
    const unions = unionTable[short];
    return {
      ...definition,
      ...(definition.properties === undefined ? {} : { properties }),
      ...(atomic.delete(short) ? { mapType: 'atomic' as const } : {}),
      ...(unions === undefined ? {} : { unions: [unions] }),
    };
  });
  const unused = [...rows.keys(), ...atomic];
  if (unused.length > 0) throw new Error(`merge keys of what is not in the schema: ${unused.join(', ')}`);
  return result;
}

function mergeRow(words: readonly string[]): MergeRow {
  const row: MergeRow = {};
  for (const word of words) {
    const [key, value] = word.split('=') as [string, string | undefined];
    if (key === 'map') {
      row.listType = 'map';
      row.listMapKeys = value!.split(',');
    } else if (key === 'set' || key === 'atomic') row.listType = key;
    else if (key === 'mapType') row.mapType = value as 'atomic' | 'granular';
    else if (key === 'patch') row.patchStrategy = value!.split(',') as PatchStrategy[];
    else if (key === 'key') row.patchMergeKey = value!;
    else throw new Error(`merge keys: unknown word ${word}`);
  }
  if (row.patchStrategy?.includes('merge') === true && row.listMapKeys !== undefined) {
    row.patchMergeKey ??= row.listMapKeys[0]!;
  }
  return row;
}

/** Adds protobuf field numbers. Each field of a definition that has a row must have a number, and each number a field. */
export function withFieldNumbers(definitions: readonly DescribedDefinition[]): DescribedDefinition[] {
  const rows = new Map(lines(fieldTable).map(([name, ...words]) => [name!, words]));
  const result = definitions.map((definition) => {
    const short = shortName(definition.name);
    const words = rows.get(short);
    if (words === undefined) return definition;
    rows.delete(short);
    const numbers = new Map(words.map((word) => word.split('=') as [string, string]));
    const properties: Record<string, DescribedProperty> = {};
    for (const [key, property] of Object.entries(definition.properties ?? {})) {
      const wire = numbers.get(key);
      if (wire === undefined && key !== 'apiVersion' && key !== 'kind') throw new Error(`${short}.${key}: no number`);
      properties[key] = wire === undefined ? property : { ...property, wire };
      numbers.delete(key);
    }
    if (numbers.size > 0) throw new Error(`${short}: numbers without a field: ${[...numbers.keys()].join(', ')}`);
    return { ...definition, properties };
  });
  if (rows.size > 0) throw new Error(`protobuf numbers of what is not in the schema: ${[...rows.keys()].join(', ')}`);
  return result;
}

/** `io.k8s.api.core.v1.Pod` → `core.v1.Pod`, as the project's tables name types. */
export function shortName(definition: string): string {
  return definition.split('.').slice(-3).join('.');
}

/** The rows of a table, split into words. */
export function lines(table: string): string[][] {
  return table
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
}
