import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { MAX_CONTINUE_BYTES } from './limits.ts';

const base64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

describe('continue token', () => {
  it('has the form that Kubernetes gives it', () => {
    const text = encodeContinue({ revision: 123, after: 'default/web' });
    assert.equal(
      Buffer.from(text, 'base64url').toString(),
      '{"v":"meta.k8s.io/v1","rv":123,"start":"default/web\\u0000"}',
    );
    assert.deepEqual(decodeContinue(text), { revision: 123, after: 'default/web' });
    for (const after of ['n1', 'kube-system/a:b', 'x/é', 'x/a..b', 'x/.hidden']) {
      assert.deepEqual(decodeContinue(encodeContinue({ revision: -1, after })), { revision: -1, after });
    }
  });

  const v = 'meta.k8s.io/v1';
  const hostile: [string, string][] = [
    ['not base64', '%%%'],
    ['base64 with its other alphabet', 'a+b/'],
    ['no JSON', base64('hello')],
    ['no object', base64('7')],
    ['null', base64('null')],
    ['another version', base64({ v: 'meta.k8s.io/v2', rv: 1, start: 'a\0' })],
    ['no revision', base64({ v, start: 'a\0' })],
    ['revision 0', base64({ v, rv: 0, start: 'a\0' })],
    ['a negative revision', base64({ v, rv: -2, start: 'a\0' })],
    ['a fraction', base64({ v, rv: 1.5, start: 'a\0' })],
    ['a revision as text', base64({ v, rv: '1', start: 'a\0' })],
    ['a huge revision', base64(`{"v":"${v}","rv":1e300,"start":"a\\u0000"}`)],
    ['no start', base64({ v, rv: 1 })],
    ['an empty start', base64({ v, rv: 1, start: '' })],
    ['a start that no list gives', base64({ v, rv: 1, start: 'a' })],
    ['a way up', base64({ v, rv: 1, start: '../secrets/a\0' })],
    ['a way up inside', base64({ v, rv: 1, start: 'a/../../secrets\0' })],
    ['a way up at the end', base64({ v, rv: 1, start: 'a/..\0' })],
    ['the root', base64({ v, rv: 1, start: '/registry/secrets/\0' })],
    ['an empty part', base64({ v, rv: 1, start: 'a//b\0' })],
    ['a lone surrogate', base64(`{"v":"${v}","rv":1,"start":"\\ud800\\u0000"}`)],
    ['too many bytes', encodeContinue({ revision: 1, after: 'a'.repeat(MAX_CONTINUE_BYTES) })],
  ];
  for (const [name, text] of hostile) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => decodeContinue(text),
        (error) =>
          isCode(error, 'BadRequest') && error.message.startsWith('invalid continue token: continue key is not valid'),
      );
    });
  }

  it('is refused by its length alone only above the limit', () => {
    const after = (bytes: number): string => 'a'.repeat(bytes);
    let length = 1;
    while (encodeContinue({ revision: 1, after: after(length + 1) }).length <= MAX_CONTINUE_BYTES) length++;
    assert.equal(decodeContinue(encodeContinue({ revision: 1, after: after(length) })).after.length, length);
    assert.throws(() => decodeContinue(encodeContinue({ revision: 1, after: after(length + 1) })));
  });
});
