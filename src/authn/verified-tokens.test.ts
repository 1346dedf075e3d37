import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TokenHash } from './token-hash.ts';
import { VerifiedTokens } from './verified-tokens.ts';

describe('VerifiedTokens', () => {
  it('forgets the least recently used at its limit', () => {
    const tokens = new VerifiedTokens<number>(3);
    for (const [index, token] of ['a', 'b', 'c'].entries()) tokens.set(token, index);
    assert.equal(tokens.get('a'), 0);
    tokens.set('d', 3);
    assert.equal(tokens.size, 3);
    assert.equal(tokens.get('b'), undefined);
    assert.equal(tokens.get('a'), 0);
    assert.equal(tokens.get('d'), 3);
  });
});

describe('TokenHash', () => {
  it('names a token by what cannot be guessed from outside the process', () => {
    const [one, other] = [new TokenHash(), new TokenHash()];
    assert.equal(one.of('topsecret'), one.of('topsecret'));
    assert.notEqual(one.of('topsecret'), one.of('topsecres'));
    assert.notEqual(one.of('topsecret'), other.of('topsecret'));
    assert.equal(Buffer.from(one.of('topsecret'), 'base64').length, 32);
  });
});
