import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { importTable } from './import-table.ts';
import { importedFolder, productFiles, root, type SourceFile, topFolder } from './source-files.ts';

const table = importTable();
const files = productFiles();

/** `src/index.ts`, the library: what `compose` builds, and the words to use it. */
const ENTRY_MAY_IMPORT = new Set(['compose', 'lib']);

function forbiddenImports(file: SourceFile): string[] {
  const folder = topFolder(file.path);
  const allowed = folder === '' ? ENTRY_MAY_IMPORT : table.get(folder);
  return file.imports
    .filter(({ specifier }) => {
      const target = importedFolder(file, specifier);
      return target !== undefined && target !== folder && allowed?.has(target) !== true;
    })
    .map(({ specifier }) => `${file.path} imports ${specifier}`);
}

test('the table of docs/architecture.md names the folders of src/ and no others', () => {
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  assert.deepEqual([...table.keys()].sort(), folders.sort());
});

test('each folder imports only what the table allows', () => {
  assert.deepEqual(files.flatMap(forbiddenImports), []);
});

test('an import that the table forbids is found', () => {
  const imports = [{ specifier: '../storage/store.ts', typeOnly: true }];
  assert.deepEqual(forbiddenImports({ path: 'src/client/rest-client.ts', text: '', imports }), [
    'src/client/rest-client.ts imports ../storage/store.ts',
  ]);
});

test('product code imports no test code', () => {
  const wrong = files.flatMap((file) =>
    file.imports
      .filter(({ specifier }) => specifier.startsWith('.') && /\.test\.ts$|-suite\.ts$|\/testing\//.test(specifier))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
  assert.deepEqual(wrong, []);
});
