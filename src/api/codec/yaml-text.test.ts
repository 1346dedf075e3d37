import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CausewayError, type ErrorCode } from '../../lib/errors.ts';
import { maxJsonDepth } from '../structural/limits.ts';
import { maxYamlBytes, maxYamlValues } from './limits.ts';
import { parseYaml, printYaml } from './yaml-text.ts';

function refused(text: string, sentence: RegExp, code: ErrorCode = 'BadRequest'): void {
  assert.throws(
    () => parseYaml(text),
    (error: unknown) => {
      assert.ok(error instanceof CausewayError, String(error));
      assert.match(error.message, sentence);
      assert.equal(error.code, code);
      return true;
    },
  );
}

test('YAML is read as version 1.1, without types that JSON has not', () => {
  const text = 'a: yes\nb: 0644\nc: 2024-01-01\nd: 12:30:00\ne: !!binary aGk=\nf: ~\n1: x\ng: "on"\n';
  assert.deepEqual(parseYaml(text).value, {
    ...{ 1: 'x', a: true, b: 420, c: '2024-01-01', d: '12:30:00', e: 'aGk=', f: null, g: 'on' },
  });
});

test('duplicate keys are named by their line, and the last one counts', () => {
  const { value, strictErrors } = parseYaml('a: 1\nb:\n  c: 1\n  c: 2\na: 3\n');
  assert.deepEqual(value, { a: 3, b: { c: 2 } });
  assert.deepEqual(strictErrors.toSorted(), [
    'line 4: key "c" already set in map',
    'line 5: key "a" already set in map',
  ]);
});

test('aliases are copied, so that a change in one place is none in another', () => {
  const value = parseYaml('a: &x {k: 1}\nb: *x\n').value as { a: object; b: object };
  assert.deepEqual(value.a, value.b);
  assert.notEqual(value.a, value.b);
});

test('a small text that stands for gigabytes is refused', () => {
  const levels = 'abcdefghij'.split('').map((name, i, all) => {
    const before = all[i - 1];
    return `${name}: &${name} [${Array(9)
      .fill(before === undefined ? 'lol' : `*${before}`)
      .join(',')}]`;
  });
  refused(levels.join('\n'), /^yaml: document contains excessive aliasing$/);
});

test('aliases of a large list count as often as they are used', () => {
  const items = Math.ceil(maxYamlValues / 60);
  const text = `a: &a [${Array(items).fill('1').join(',')}]\n${Array.from({ length: 80 }, (_, i) => `b${i}: *a`).join('\n')}`;
  assert.ok(text.length < maxYamlBytes);
  refused(text, /^yaml: document (?:has more than 500000 values|contains excessive aliasing)$/);
});

test('deep nesting, of brackets or of dashes, is refused', () => {
  refused(`a: ${'['.repeat(maxJsonDepth + 1)}`, /^yaml: exceeded max depth$/);
  refused(`${'- '.repeat(20_000)}a`, /^yaml: /);
  refused('? '.repeat(20_000), /^yaml: /);
});

test('a text over the limit is refused before it is parsed', () => {
  assert.doesNotThrow(() => parseYaml(`a: ${'x'.repeat(maxYamlBytes - 3)}`));
  refused('x'.repeat(maxYamlBytes + 1), /^a YAML body may have at most 1048576 bytes$/, 'RequestEntityTooLarge');
});

test('broken YAML is refused', () => {
  refused('a: "b', /^yaml: Missing closing "quote/);
  refused('a: b: c', /^yaml: Nested mappings/);
  refused('a: *nothing', /^yaml: /);
  refused('a: 1\n---\nb: 2\n', /^yaml: /);
});

test('keys that name the prototype do no harm', () => {
  const { value } = parseYaml('__proto__: {polluted: 1}\nconstructor: 2\n');
  assert.equal(Object.hasOwn(value as object, '__proto__'), true);
  assert.equal(Object.getPrototypeOf(value as object), Object.prototype);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('what is printed has its keys in order and reads as it was', () => {
  const value = {
    b: [{ c: 'yes', d: '0644', e: '12:30', f: '2024-01-01T00:00:00Z', g: '1e3' }],
    a: { x: null, y: 'two\nlines\n', z: '', t: true, n: 1.5, s: 'null', long: 'word '.repeat(50) },
    gone: undefined,
  };
  const text = printYaml(value);
  assert.match(text, /^a:\n {2}long: [\s\S]*\nb:\n- c: "yes"\n/);
  assert.deepEqual(parseYaml(text).value, JSON.parse(JSON.stringify(value)));
});
