import { lineIndex, readGenerated } from '../schema/schema.ts';
import type { ColumnSpec, TableColumn } from './column.ts';

/**
 * Replaces references to fields by their descriptions. The file is read for each call and not kept: it is called once a resource, and
 * a megabyte of prose is not worth holding for it.
 */
export function describeColumns(columns: readonly ColumnSpec[]): TableColumn[] {
  const wanted = new Set(columns.flatMap(({ description: d }) => (typeof d === 'string' ? [] : [d.definition])));
  const found = new Map<string, Record<string, string>>();
  if (wanted.size > 0) {
    const text = readGenerated('descriptions.jsonl');
    for (const [name, [start, end]] of lineIndex(text)) {
      if (wanted.has(name)) found.set(name, JSON.parse(text.slice(start, end)) as Record<string, string>);
    }
  }
  return columns.map(({ name, type, format, description, priority }) => ({
    name,
    type,
    format,
    description:
      typeof description === 'string' ? description : (found.get(description.definition)?.[description.field] ?? ''),
    priority,
  }));
}
