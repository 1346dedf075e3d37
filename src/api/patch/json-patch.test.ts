import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { applyJsonPatch } from './json-patch.ts';
import { jsonPatchMaxOperations, patchMaxDepth } from './limits.ts';

const general = 'the server rejected our request due to an error in our request';
const refuses = (document: object, patch: unknown, reason: RegExp | string): void => {
  assert.throws(
    () => applyJsonPatch(document, patch),
    (error: Error) => {
      assert.ok(isCode(error, 'Invalid'), error.message);
      assert.equal(error.message, general);
      const [found] = error.details?.causes ?? [];
      assert.equal(found?.field, 'patch');
      const cause = found?.message ?? '';
      if (typeof reason === 'string') assert.equal(cause, reason);
      else assert.match(cause, reason);
      return true;
    },
  );
};

describe('applyJsonPatch', () => {
  it('applies every operation to a copy', () => {
    const document = { spec: { replicas: 1, list: ['a', 'c'] }, 'a/b': { '~': 1 } };
    const before = structuredClone(document);
    const result = applyJsonPatch(document, [
      { op: 'test', path: '/spec/replicas', value: 1 },
      { op: 'replace', path: '/spec/replicas', value: 3 },
      { op: 'add', path: '/spec/list/1', value: 'b' },
      { op: 'add', path: '/spec/list/-', value: 'd' },
      { op: 'remove', path: '/spec/list/0' },
      { op: 'copy', from: '/spec/list', path: '/copied' },
      { op: 'move', from: '/a~1b/~0', path: '/moved' },
      { op: 'replace', path: '/spec/list/-1', value: 'z' },
      { op: 'add', path: '/none' },
    ]);
    assert.deepEqual(result, {
      spec: { replicas: 3, list: ['b', 'c', 'z'] },
      'a/b': {},
      copied: ['b', 'c', 'd'],
      moved: 1,
      none: null,
    });
    assert.deepEqual(document, before);
    assert.deepEqual(applyJsonPatch(document, [{ op: 'replace', path: '', value: { a: 1 } }]), { a: 1 });
  });

  it('applies nothing when one operation does not apply', () => {
    const document = { a: 1 };
    refuses(
      document,
      [
        { op: 'add', path: '/b', value: 1 },
        { op: 'test', path: '/a', value: 2 },
      ],
      'testing value /a failed: test failed',
    );
    refuses(document, [{ op: 'test', path: '/nope', value: 2 }], 'testing value /nope failed: test failed');
    refuses(
      document,
      [{ op: 'remove', path: '/nope' }],
      "error in remove for path: '/nope': Unable to remove nonexistent key: nope: missing value",
    );
    refuses(
      document,
      [{ op: 'replace', path: '/nope', value: 1 }],
      'replace operation does not apply: doc is missing key: /nope: missing value',
    );
    refuses(
      document,
      [{ op: 'add', path: '/x/y', value: 1 }],
      'add operation does not apply: doc is missing path: "/x/y": missing value',
    );
    refuses(document, [{ op: 'add', path: '/a/y', value: 1 }], /missing path/);
    refuses(document, [{ op: 'add', path: 'a', value: 1 }], /missing path/);
    refuses(document, [{ op: 'add', value: 1 }], 'add operation failed to decode path: missing value');
    refuses(document, [{ op: 'copy', path: '/b' }], 'copy operation failed to decode from: missing value');
    refuses(document, [{ op: 'frobnicate', path: '/b' }], 'Unexpected kind: frobnicate');
    refuses({ a: { b: {} } }, [{ op: 'move', from: '/a', path: '/a/b/c' }], /destination lies in the source/);
    assert.deepEqual(document, { a: 1 });
  });

  it('reads array indexes strictly', () => {
    for (const path of [
      '/l/1e0',
      '/l/0x1',
      '/l/ 1',
      '/l/1 ',
      '/l/',
      '/l/3',
      '/l/99999999999',
      '/l/-3',
      '/l/4294967295',
      '/l/length',
      '/l/__proto__',
    ]) {
      refuses({ l: [1, 2] }, [{ op: 'replace', path, value: 0 }], /missing key/);
    }
    for (const path of ['/l/3', '/l/4294967295', '/l/9999999999', '/l/-4', '/l/x', '/l/length']) {
      refuses({ l: [1, 2] }, [{ op: 'add', path, value: 0 }], /invalid index/);
    }
    assert.deepEqual(applyJsonPatch({ l: [1, 2] }, [{ op: 'add', path: '/l/2', value: 3 }]), { l: [1, 2, 3] });
  });

  it('never reaches a prototype', () => {
    const document = JSON.parse('{"data":{"__proto__":"x"}}') as object;
    const patch = JSON.parse(
      '[{"op":"test","path":"/data/__proto__","value":"x"},{"op":"replace","path":"/data/__proto__","value":{"polluted":1}},{"op":"add","path":"/data/constructor","value":1}]',
    ) as unknown;
    const result = applyJsonPatch(document, patch);
    assert.equal(JSON.stringify(result), '{"data":{"__proto__":{"polluted":1},"constructor":1}}');
    refuses({}, [{ op: 'add', path: '/__proto__/polluted', value: 1 }], /missing path/);
    refuses({}, [{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }], /missing path/);
    refuses([], [{ op: 'add', path: '/__proto__/polluted', value: 1 }], /missing path/);
    const made = applyJsonPatch({ a: {} }, JSON.parse('[{"op":"add","path":"/a/__proto__","value":{"polluted":1}}]'));
    assert.equal(Object.getPrototypeOf((made as { a: object }).a), Object.prototype);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it('bounds operations, copies, moved elements and depth', () => {
    const test = { op: 'test', path: '/a', value: 1 };
    applyJsonPatch({ a: 1 }, Array(jsonPatchMaxOperations).fill(test));
    assert.throws(() => applyJsonPatch({ a: 1 }, Array(jsonPatchMaxOperations + 1).fill(test)), {
      code: 'RequestEntityTooLarge',
      message: 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
    });
    const bomb = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/a', path: `/a/k${i}` }));
    assert.throws(() => applyJsonPatch({ a: { x: 'y'.repeat(100) } }, bomb), { code: 'RequestEntityTooLarge' });
    const inserts = Array(jsonPatchMaxOperations).fill({ op: 'add', path: '/l/0', value: 0 });
    const started = performance.now();
    assert.throws(() => applyJsonPatch({ l: Array(100_000).fill(0) }, inserts), { code: 'RequestEntityTooLarge' });
    assert.ok(performance.now() - started < 2000);

    const deep = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);
    applyJsonPatch({}, [{ op: 'add', path: '/x', value: deep(patchMaxDepth - 1) }]);
    for (const patch of [
      [{ op: 'add', path: '/x', value: deep(patchMaxDepth) }],
      [{ op: 'add', path: '/x', value: deep(200_000) }],
      [{ op: 'test', path: '/x', value: deep(200_000) }],
      Array.from({ length: 50 }, () => ({ op: 'copy', from: '', path: `${'/a'.repeat(40)}/b` })),
    ]) {
      assert.throws(() => applyJsonPatch(deep(41) as object, patch), { code: 'BadRequest' });
    }
  });

  it('refuses what is no list of operations', () => {
    assert.throws(() => applyJsonPatch({}, { op: 'add' }), {
      code: 'BadRequest',
      message: 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
    });
    for (const patch of [null, 1, 'x', [1], [null], [[]], [{ op: 1 }], [{ op: 'add', path: {} }]]) {
      assert.throws(() => applyJsonPatch({}, patch), { code: 'BadRequest' });
    }
  });
});
