import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonSyntaxError } from './json-scanner.ts';
import { maxJsonDepth, maxStrictErrors } from './limits.ts';
import { parseJson } from './parse-json.ts';

test('duplicate keys are named by their path, and the last one counts', () => {
  const { value, duplicates } = parseJson('{"a":{"b":1,"b":2,"c":[{"d":1},{"d":1,"d":2}]},"a.b":1,"a":3}');
  assert.deepEqual(value, { a: 3, 'a.b': 1 });
  assert.deepEqual(duplicates, ['duplicate field "a.b"', 'duplicate field "a.c[1].d"', 'duplicate field "a"']);
});

test('punctuation in strings and keys does not look like structure', () => {
  const object = { 'a:b{': '}:{"\\', '\\': ':', '"': '\\"', c: [':', '{', '\\\\'], '': '' };
  assert.deepEqual(parseJson(JSON.stringify(object)), { value: object, duplicates: [] });
  assert.deepEqual(parseJson('{"a":1,"\\u0061":2}').duplicates, ['duplicate field "a"']);
});

const broken: readonly (readonly [text: string, sentence: string])[] = [
  ['', 'unexpected end of JSON input'],
  ['{', 'unexpected end of JSON input'],
  ['{"a":1', 'unexpected end of JSON input'],
  ['"abc', 'unexpected end of JSON input'],
  ['tru', 'unexpected end of JSON input'],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
  ['[1 2]', "invalid character '2' after array element"],
  ['{"a":1}}', "invalid character '}' after top-level value"],
  ['nulx', "invalid character 'x' in literal null (expecting 'l')"],
  ['01', "invalid character '1' after top-level value"],
  ['[1.x]', "invalid character 'x' after decimal point in numeric literal"],
  ['"\\q"', "invalid character 'q' in string escape code"],
  ['"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"],
  ['"a\nb"', "invalid character '\\n' in string literal"],
  ["'a'", "invalid character '\\'' looking for beginning of value"],
  ['é', "invalid character 'é' looking for beginning of value"],
];

for (const [text, sentence] of broken) {
  test(`broken JSON ${JSON.stringify(text)}: ${sentence}`, () => {
    assert.throws(
      () => parseJson(text),
      (error: Error) => error instanceof JsonSyntaxError && error.message === sentence,
    );
  });
}

test('nesting is allowed to the limit and refused beyond it', () => {
  const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  assert.doesNotThrow(() => parseJson(nested(maxJsonDepth)));
  assert.throws(() => parseJson(nested(maxJsonDepth + 1)), /^JsonSyntaxError: exceeded max depth$/);
  assert.throws(() => parseJson('{"a":'.repeat(1_000_000)), /^JsonSyntaxError: exceeded max depth$/);
});

test('a body made of duplicates is named to a limit', () => {
  const text = `{${Array.from({ length: 500 }, (_, i) => `"k${i}":1,"k${i}":2`).join(',')}}`;
  assert.equal(parseJson(text).duplicates.length, maxStrictErrors);
});

test('__proto__ is an own key like any other', () => {
  const { value } = parseJson('{"__proto__":{"polluted":1},"a":2}');
  assert.equal(Object.hasOwn(value as object, '__proto__'), true);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.deepEqual(parseJson('{"__proto__":1,"__proto__":2}').duplicates, ['duplicate field "__proto__"']);
});

test('any JSON comes back unchanged and without duplicates; one repeated member is always found', () => {
  let seed = 12345;
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  const words = ['a', 'b:c', '"q"', '\\', 'ü', '', '{', '0', 'metadata'];
  const make = (depth: number): unknown => {
    switch (random(depth > 3 ? 4 : 6)) {
      case 0:
        return random(1000) / 8;
      case 1:
        return words[random(words.length)];
      case 2:
        return random(2) === 0;
      case 3:
        return null;
      case 4:
        return Array.from({ length: random(4) }, () => make(depth + 1));
      default:
        return Object.fromEntries(
          Array.from({ length: random(4) }, () => [words[random(words.length)], make(depth + 1)]),
        );
    }
  };
  for (let i = 0; i < 500; i += 1) {
    const value = make(0);
    const text = JSON.stringify(value, null, random(3));
    assert.deepEqual(parseJson(text), { value, duplicates: [] });
    const repeated = `{"x":${text},"x":${text}}`;
    assert.deepEqual(parseJson(repeated).duplicates, ['duplicate field "x"']);
  }
});
