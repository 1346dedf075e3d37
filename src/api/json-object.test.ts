import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloneJson, getOwn, jsonEqual, semanticEqual, setOwn } from './json-object.ts';

describe('JSON objects with keys from outside', () => {
  it('never reach a prototype', () => {
    const object = {};
    setOwn(object, '__proto__', { polluted: 1 });
    assert.equal(JSON.stringify(object), '{"__proto__":{"polluted":1}}');
    assert.equal((object as { polluted?: number }).polluted, undefined);
    assert.deepEqual(getOwn(object, '__proto__'), { polluted: 1 });
    assert.equal(getOwn({}, '__proto__'), undefined);
    assert.equal(getOwn({}, 'constructor'), undefined);
    assert.equal(JSON.stringify(cloneJson(object)), '{"__proto__":{"polluted":1}}');
    assert.equal(jsonEqual({}, object), false);
    assert.equal(jsonEqual(object, {}), false);
    assert.equal(semanticEqual({ constructor: undefined }, {}), true);
  });

  it('compare by value', () => {
    assert.equal(jsonEqual({ a: [1, { b: null }] }, { a: [1, { b: null }] }), true);
    assert.equal(jsonEqual({ a: 1 }, { a: 1, b: undefined }), true);
    assert.equal(jsonEqual([1, 2], [2, 1]), false);
    assert.equal(jsonEqual([], {}), false);
    assert.equal(jsonEqual(null, {}), false);
    assert.equal(jsonEqual('1', 1), false);
    assert.equal(semanticEqual({ a: [] }, {}), true);
    assert.equal(semanticEqual({ a: null }, { a: undefined }), true);
    assert.equal(semanticEqual({ a: {} }, {}), false);
    assert.equal(semanticEqual({ a: 0 }, {}), false);
  });

  it('clone without sharing', () => {
    const value = { a: [{ b: 1 }] };
    const copy = cloneJson(value);
    copy.a[0]!.b = 2;
    assert.deepEqual(value, { a: [{ b: 1 }] });
  });
});
