import { statfs } from 'node:fs/promises';
import { CausewayError } from '../../lib/errors.ts';

/** As LMDB and as Node say it. */
const DISK_FAILED: readonly unknown[] = [5, 'EIO'];
const DISK_FULL: readonly unknown[] = [28, 'ENOSPC', 122, 'EDQUOT'];
/** LMDB: the environment cannot be used any more. */
const MDB_PANIC = -30795;

/** A disk with less than this, in bytes, is called full: LMDB says `EIO` when only a part of its pages fits. */
const FULL = 16 * 1024 * 1024;

export interface DiskError {
  readonly error: CausewayError;
  /** Nothing can be written until a restart. */
  readonly fatal: boolean;
}

/** What the journal or LMDB said of a commit that failed, in words for a client. Whether it was written only a restart tells. */
export async function explainDiskError(directory: string, cause: unknown): Promise<DiskError> {
  if (cause instanceof CausewayError) return { error: cause, fatal: false };
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === MDB_PANIC) {
    return {
      error: new CausewayError('InternalError', 'storage: the data file failed, a restart is needed', { cause }),
      fatal: true,
    };
  }
  const failed = DISK_FAILED.includes(code);
  if (failed || DISK_FULL.includes(code)) {
    // `DiskRoom` did not see it coming. What LMDB does then leaves the process in a state that nobody should trust with data.
    const why = failed && !(await isFull(directory)) ? 'the disk failed' : 'the disk is full';
    return {
      error: new CausewayError('InternalError', `storage: ${why}, a restart is needed`, { cause }),
      fatal: true,
    };
  }
  return {
    error: new CausewayError('InternalError', 'storage: the write failed, a restart is needed', { cause }),
    fatal: true,
  };
}

async function isFull(directory: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize < FULL;
  } catch {
    return false;
  }
}
