import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerDictionary, headerDictionaryId } from './dictionary.ts';

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return b * 65_536 + a;
}

test('the dictionary is the one that SPDY/3 peers have', () => {
  assert.equal(headerDictionary.length, 1423);
  assert.equal(adler32(headerDictionary), headerDictionaryId);
});
