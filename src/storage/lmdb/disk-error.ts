import { statfs } from 'node:fs/promises';
import { CausewayError } from '../../lib/errors.ts';

const EIO = 5;
const ENOSPC = 28;
const EDQUOT = 122;
/** LMDB: the environment cannot be used any more. */
const MDB_PANIC = -30795;

/** A disk with less than this, in bytes, is called full: LMDB says `EIO` when only a part of its pages fits. */
const FULL = 16 * 1024 * 1024;

export interface DiskError {
  readonly error: CausewayError;
  /** Nothing can be written until a restart. */
  readonly fatal: boolean;
}

/** What LMDB said of a commit that failed, in words for a client. LMDB drops such a commit whole. */
export async function explainDiskError(directory: string, cause: unknown): Promise<DiskError> {
  if (cause instanceof CausewayError) return { error: cause, fatal: false };
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === MDB_PANIC) {
    return {
      error: new CausewayError('InternalError', 'storage: the data file failed, a restart is needed', { cause }),
      fatal: true,
    };
  }
  if (code === ENOSPC || code === EDQUOT || code === EIO) {
    // `checkRoom` did not see it coming. What LMDB does then leaves the process in a state that nobody should trust with data.
    const why = code === EIO && !(await isFull(directory)) ? 'the disk failed' : 'the disk is full';
    return {
      error: new CausewayError('InternalError', `storage: ${why}, a restart is needed`, { cause }),
      fatal: true,
    };
  }
  return { error: new CausewayError('InternalError', 'storage: the write failed', { cause }), fatal: false };
}

async function isFull(directory: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize < FULL;
  } catch {
    return false;
  }
}
