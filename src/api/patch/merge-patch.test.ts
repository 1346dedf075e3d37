import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { patchMaxDepth } from './limits.ts';
import { applyMergePatch } from './merge-patch.ts';

describe('applyMergePatch', () => {
  it('follows the examples of RFC 7386', () => {
    const cases: [object, unknown, unknown][] = [
      [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
      [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
      [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
      [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
      [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
      [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
      [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [['a'], { a: 'b', c: null }, { a: 'b' }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ];
    for (const [document, patch, want] of cases) {
      const before = JSON.stringify([document, patch]);
      assert.deepEqual(applyMergePatch(document, patch), want);
      assert.equal(JSON.stringify([document, patch]), before);
    }
  });

  it('treats __proto__ as a key', () => {
    const document = JSON.parse('{"data":{"a":"1"}}') as object;
    const result = applyMergePatch(
      document,
      JSON.parse('{"data":{"__proto__":{"polluted":1},"constructor":{"prototype":{"x":1}}}}'),
    );
    assert.equal(
      JSON.stringify(result),
      '{"data":{"a":"1","__proto__":{"polluted":1},"constructor":{"prototype":{"x":1}}}}',
    );
    assert.equal(({} as { polluted?: number }).polluted, undefined);
    assert.equal(({} as { x?: number }).x, undefined);
    assert.equal(
      JSON.stringify(applyMergePatch(result, JSON.parse('{"data":{"__proto__":null,"constructor":null}}'))),
      '{"data":{"a":"1"}}',
    );
  });

  it('refuses other values and deep nesting', () => {
    assert.throws(() => applyMergePatch({}, [1]), {
      code: 'BadRequest',
      message: 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    });
    for (const patch of [null, 'x', 1, true]) assert.throws(() => applyMergePatch({}, patch), { code: 'BadRequest' });
    const deep = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);
    applyMergePatch({}, deep(patchMaxDepth));
    assert.throws(() => applyMergePatch({}, deep(patchMaxDepth + 1)), { code: 'BadRequest' });
    assert.throws(() => applyMergePatch({}, JSON.parse(`{"a":${'['.repeat(500_000)}${']'.repeat(500_000)}}`)), {
      code: 'BadRequest',
    });
  });
});
