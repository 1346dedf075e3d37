import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import { COMMIT_MARGIN_BYTES } from '../limits.ts';

/** What LMDB may need for one write besides its bytes: the rest of its page and a copy of the page that points to it. */
const PER_WRITE_BYTES = 2 * 4096;

/**
 * Throws when a commit might not fit on the disk. LMDB must not find that out by itself: lmdb-js 3.5.6 makes its message of a failed write
 * longer than the 100 bytes that it has for it (`last_error` in its mdb.c), and the process ends soon after with a broken heap.
 */
export function checkRoom(file: string, writes: number, bytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(file));
  if (bavail * bsize >= bytes + writes * PER_WRITE_BYTES + COMMIT_MARGIN_BYTES) return;
  throw new CausewayError('ServiceUnavailable', 'storage: the disk is full, nothing was written', {
    details: { retryAfterSeconds: 5 },
  });
}
