import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './source-files.ts';

/** Folder under `src/` → the folders it may import. */
export type ImportTable = ReadonlyMap<string, ReadonlySet<string>>;

/** The table of docs/architecture.md: `| folder | what lives there | may import |`, where `all above` and `nothing` are words of its own. */
export function importTable(): ImportTable {
  const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const table = new Map<string, ReadonlySet<string>>();
  for (const [, folder = '', allowed = ''] of text.matchAll(/^\| `([a-z-]+)` *\|[^|]*\| ([a-z -]*[a-z]) *\|$/gm)) {
    const words = allowed === 'all above' ? [...table.keys()] : allowed.split(' ').filter((word) => word !== 'nothing');
    const unknown = words.filter((word) => !table.has(word));
    if (unknown.length > 0) throw new Error(`${folder} may import ${unknown.join(', ')}: not a folder above it`);
    table.set(folder, new Set(words));
  }
  return table;
}
