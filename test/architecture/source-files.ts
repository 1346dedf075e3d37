import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export interface SourceFile {
  /** Path from the repository's root, such as `src/lib/errors.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly { readonly specifier: string; readonly typeOnly: boolean }[];
}

const IMPORT =
  /^\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\s+from\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gm;

/** The files of `src/`, tests, what only tests use, and generated files left out. */
export function productFiles(): readonly SourceFile[] {
  return globSync('src/**/*.ts', { cwd: root })
    .filter((p) => !p.includes('/generated/') && !/\.test\.ts$|-suite\.ts$|\/testing\//.test(p))
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const imports = [...text.matchAll(IMPORT)].map((m) => ({
        specifier: m[2] ?? m[3] ?? '',
        typeOnly: m[1] !== undefined,
      }));
      return { path, text, imports };
    });
}

/** The folder under `src/` that a relative import leads to, or undefined for a package. */
export function importedFolder(file: SourceFile, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const target = relative(root, join(root, dirname(file.path), specifier));
  return topFolder(target);
}

/** `src/lib/errors.ts` → `lib`. */
export function topFolder(path: string): string {
  const parts = path.split('/');
  return parts.length > 2 ? (parts[1] ?? '') : '';
}
