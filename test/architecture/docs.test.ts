import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './source-files.ts';

test('docs/where.md names only paths that exist', () => {
  const text = readFileSync(join(root, 'docs/where.md'), 'utf8');
  const named = [...text.matchAll(/`((?:src|docs|test|scripts|bench)\/[^`]*)`/g)].map((m) => m[1] ?? '');
  assert.ok(named.length > 10, 'where.md names the places where things are decided');
  assert.deepEqual(
    named.filter((p) => !existsSync(join(root, p))),
    [],
  );
});

test('each folder under src/ has a README', () => {
  const folders = readdirSync(join(root, 'src')).filter((f) => statSync(join(root, 'src', f)).isDirectory());
  assert.deepEqual(
    folders.filter((f) => !existsSync(join(root, 'src', f, 'README.md'))),
    [],
  );
});
