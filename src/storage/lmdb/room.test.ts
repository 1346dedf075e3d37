import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { checkRoom } from './room.ts';

it('a commit that cannot fit is refused before LMDB tries', () => {
  const file = join(tmpdir(), 'data.mdb');
  const full = {
    code: 'ServiceUnavailable',
    message: 'storage: the disk is full, nothing was written',
    details: { retryAfterSeconds: 5 },
  };
  checkRoom(file, 1, 100);
  assert.throws(() => checkRoom(file, 1, Number.MAX_SAFE_INTEGER), full);
  assert.throws(() => checkRoom(file, Number.MAX_SAFE_INTEGER / 8192, 0), full);
});
