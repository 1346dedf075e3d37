import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { root } from './source-files.ts';

const DOCUMENTS = ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: root })];

/** Paths of the project as they stand in a document: `src/lib/errors.ts`, `docs/architecture.md`. */
function namedPaths(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8');
  return [...text.matchAll(/`((?:src|docs|test|scripts|bench)\/[\w./-]*)`/g)].map((match) => match[1] ?? '');
}

test('docs/where.md names only paths that exist, and many', () => {
  assert.ok(namedPaths('docs/where.md').length > 50);
});

test('the documents name only paths of the project that exist', () => {
  const madeByABuild = /^src\/api\/generated\//;
  const wrong = DOCUMENTS.flatMap((document) =>
    namedPaths(document)
      .filter((path) => !madeByABuild.test(path) && !existsSync(join(root, path)))
      .map((path) => `${document}: ${path}`),
  );
  assert.deepEqual(wrong, []);
});

test('links of the documents lead somewhere', () => {
  const wrong = DOCUMENTS.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8');
    return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(root, dirname(document), link)))
      .map((link) => `${document}: ${link}`);
  });
  assert.deepEqual(wrong, []);
});

test('each decision is in the list of decisions', () => {
  const list = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8');
  const decisions = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{4}-/.test(name));
  assert.deepEqual(
    decisions.filter((name) => !list.includes(`](${name})`)),
    [],
  );
});

test('each folder under src/ has a README', () => {
  const folders = readdirSync(join(root, 'src')).filter((name) => statSync(join(root, 'src', name)).isDirectory());
  assert.deepEqual(
    folders.filter((name) => !existsSync(join(root, 'src', name, 'README.md'))),
    [],
  );
});

test('the READMEs of src/ name only files that exist', () => {
  const files = globSync(['src/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts'], { cwd: root });
  const wrong = globSync('src/**/README.md', { cwd: root }).flatMap((readme) => {
    const text = readFileSync(join(root, readme), 'utf8');
    // A file stands there by its name or by the end of its path, and is in the folder, beside it, or anywhere by its folder's name.
    const near = files.filter((file) => file.startsWith(`${dirname(dirname(readme))}/`));
    return [...text.matchAll(/`(?:\.\.\/)?([\w./-]+\.ts)`/g)]
      .map((match) => match[1] ?? '')
      .filter((path) => !(path.includes('/') ? files : near).some((file) => `/${file}`.endsWith(`/${path}`)))
      .map((path) => `${readme}: ${path}`);
  });
  assert.deepEqual(wrong, []);
});
