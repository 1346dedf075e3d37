import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import {
  decodeIndex,
  decodeLog,
  decodePlace,
  decodeRevision,
  encodeIndex,
  encodeLog,
  encodePlace,
  encodeRevision,
} from './records.ts';

const corrupted = (error: unknown): boolean => isCode(error, 'InternalError');

describe('storage records', () => {
  it('keep places in order up to the largest safe integer', () => {
    const places = [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER].flatMap((revision) =>
      [0, 1, 65_535].map((sub) => ({ revision, sub })),
    );
    const encoded = places.map(encodePlace);
    assert.deepEqual(encoded.map(decodePlace), places);
    assert.deepEqual([...encoded].sort(Buffer.compare), encoded);
    assert.equal(decodeRevision(encodeRevision(Number.MAX_SAFE_INTEGER)), Number.MAX_SAFE_INTEGER);
  });

  it('come back as they were', () => {
    const previous = { revision: 7, sub: 3 };
    const log = encodeLog('delete', previous, Buffer.from('/k/é'), Buffer.from('value'));
    assert.deepEqual(decodeLog(log, previous), { kind: 'delete', previous, key: '/k/é', value: Buffer.from('value') });
    assert.deepEqual(decodeIndex(encodeIndex(previous, 'put')), { ...previous, kind: 'put' });
  });

  it('are found out when a bit of them changes, or their end is missing', () => {
    const log = encodeLog('put', { revision: 7, sub: 3 }, Buffer.from('/key'), Buffer.from('value'));
    for (let bit = 0; bit < log.length * 8; bit++) {
      const changed = Buffer.from(log);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => decodeLog(changed, { revision: 9, sub: 0 }), corrupted, `bit ${bit}`);
    }
    for (let length = 0; length < log.length; length++) {
      assert.throws(() => decodeLog(log.subarray(0, length), { revision: 9, sub: 0 }), corrupted, `${length} bytes`);
    }
  });
});
