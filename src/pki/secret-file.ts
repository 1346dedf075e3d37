import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CausewayError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';

/** A key file is under 1 KiB; more than this is not one. */
const MAX_SECRET_FILE_BYTES = 1 << 20;

/** Writes beside the target, syncs, renames: readers see the old or the new file, whole. Mode 0600. */
export async function writeSecretFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeNewFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** A file that must not exist yet, synced, mode 0600 whatever the umask. */
export async function writeNewFile(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Reads a secret. Refuses a link, a file of somebody else, and one that others may read or write. */
export async function readSecretFile(path: string): Promise<Secret> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((cause) => {
    throw new CausewayError('InternalError', `cannot read ${path}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new CausewayError('InternalError', `${path} is not a regular file`);
    refuseOthers(path, found, 'chmod 600');
    if (found.size > MAX_SECRET_FILE_BYTES) throw new CausewayError('InternalError', `${path} is too large`);
    return new Secret(await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Refuses a folder of keys that others may enter. */
export async function checkSecretDirectory(path: string): Promise<void> {
  const found = await stat(path);
  if (!found.isDirectory()) throw new CausewayError('InternalError', `${path} is not a directory`);
  refuseOthers(path, found, 'chmod 700');
}

function refuseOthers(path: string, found: { mode: number; uid: number }, remedy: string): void {
  const mode = found.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new CausewayError(
      'InternalError',
      `${path} is open to other users (mode ${octal(mode)}): run ${remedy} ${path}`,
    );
  }
  const self = process.geteuid?.();
  if (self !== undefined && found.uid !== self && found.uid !== 0) {
    throw new CausewayError('InternalError', `${path} belongs to another user (uid ${found.uid})`);
  }
}

function octal(mode: number): string {
  return `0${mode.toString(8).padStart(3, '0')}`;
}
