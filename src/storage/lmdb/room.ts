import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import { COMMIT_MARGIN_BYTES } from '../limits.ts';

/** What LMDB may need for one write besides its bytes: the rest of its page and a copy of the page that points to it. */
const PER_WRITE_BYTES = 2 * 4096;

/** Milliseconds that a look at the disk is good for, as long as the answer is yes. */
const LOOK_MS = 50;

/**
 * The free bytes of the disk that a file is on. LMDB must not find out by itself that there are none: lmdb-js 3.5.6 makes its message of a failed
 * write longer than the 100 bytes that it has for it (`last_error` in its mdb.c), and the process ends soon after with a broken heap.
 */
export class DiskRoom {
  readonly #directory: string;
  #available = 0;
  #looked = Number.NEGATIVE_INFINITY;

  constructor(file: string) {
    this.#directory = dirname(file);
  }

  /** Whether that many writes, of that many bytes together, seem to fit, with a margin. The disk is not looked at each time. */
  seems(writes: number, bytes: number): boolean {
    const fits = this.#fits(writes, bytes);
    return fits && performance.now() - this.#looked < LOOK_MS ? true : this.#look(writes, bytes);
  }

  /** Throws when they might not fit now. */
  check(writes: number, bytes: number): void {
    if (this.#look(writes, bytes)) return;
    throw new CausewayError('ServiceUnavailable', 'storage: the disk is full, nothing was written', {
      details: { retryAfterSeconds: 5 },
    });
  }

  #look(writes: number, bytes: number): boolean {
    const { bavail, bsize } = statfsSync(this.#directory);
    this.#available = bavail * bsize;
    this.#looked = performance.now();
    return this.#fits(writes, bytes);
  }

  #fits(writes: number, bytes: number): boolean {
    return this.#available >= bytes + writes * PER_WRITE_BYTES + COMMIT_MARGIN_BYTES;
  }
}
