import assert from 'node:assert/strict';
import { test } from 'node:test';
import { productFiles } from './source-files.ts';

const files = productFiles();
const LONG = 400;

/** Files that are longer, and why that is better than two files. A table needs no more reason than that it is one. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/api/protobuf/fields.ts': 'a table: the field numbers of every message',
};

test(`a file has at most ${LONG} lines, or a reason`, () => {
  const long = files.filter((file) => file.text.trimEnd().split('\n').length > LONG).map((file) => file.path);
  assert.deepEqual(long, Object.keys(LONG_FILES).sort());
});

test('files are kebab-case and no folder is a catch-all', () => {
  const wrong = files
    .flatMap((file) => file.path.split('/').map((part) => ({ path: file.path, part })))
    .filter(
      ({ part }) => !/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(part) || /^(utils?|helpers?|common|misc)(\.ts)?$/.test(part),
    );
  assert.deepEqual(wrong, []);
});

test('exports are named, and no file under src/ only passes on the exports of others', () => {
  const entry = 'src/index.ts';
  const wrong = files
    .filter(({ path, text }) => {
      if (/^export default\b/m.test(text)) return true;
      const statements = text.match(/^(?:export|const|let|function|class|interface|type|async)\b.*/gm) ?? [];
      return path !== entry && statements.length > 0 && statements.every((line) => /^export .*\bfrom '/.test(line));
    })
    .map((file) => file.path);
  assert.deepEqual(wrong, []);
});
