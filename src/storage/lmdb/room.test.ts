import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { DiskRoom } from './room.ts';

it('a commit that cannot fit is refused before LMDB tries', () => {
  const room = new DiskRoom(join(tmpdir(), 'data.mdb'));
  const full = {
    code: 'ServiceUnavailable',
    message: 'storage: the disk is full, nothing was written',
    details: { retryAfterSeconds: 5 },
  };
  room.check(1, 100);
  assert.equal(room.seems(1, 100), true);
  for (const [writes, bytes] of [
    [1, Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER / 8192, 0],
  ] as const) {
    assert.equal(room.seems(writes, bytes), false);
    assert.throws(() => room.check(writes, bytes), full);
  }
});
