import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A log file that is open: its name may change when it is rotated, it does not. */
export interface LogFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

/** Rotated files are `<name>.<anything>` beside the log; compressed ones and ones being written are left out. */
function isRotated(name: string, log: string): boolean {
  return name.startsWith(`${log}.`) && !name.endsWith('.gz') && !name.endsWith('.tmp');
}

interface Found {
  readonly path: string;
  readonly inode: bigint;
  readonly modified: bigint;
}

/** The log and what was rotated away from it, oldest first; the log itself is the last, if it exists. */
async function findLogFiles(path: string): Promise<readonly Found[]> {
  const log = basename(path);
  const names = await readdir(dirname(path)).catch(() => []);
  const rotated = await Promise.all(
    names.filter((name) => isRotated(name, log)).map((name) => lookAt(join(dirname(path), name))),
  );
  const old = rotated.filter((found) => found !== undefined);
  // The kernel's clock for files ticks every few milliseconds; names carry the time of the rotation.
  old.sort((a, b) => Number(a.modified - b.modified) || (a.path < b.path ? -1 : 1));
  const current = await lookAt(path);
  return current === undefined ? old : [...old.filter((found) => found.inode !== current.inode), current];
}

async function lookAt(path: string): Promise<Found | undefined> {
  try {
    const { ino, mtimeNs } = await stat(path, { bigint: true });
    return { path, inode: ino, modified: mtimeNs };
  } catch {
    return undefined;
  }
}

/** True when the log is another file than `file` by now: nobody writes to `file` any more. */
export async function wasRotated(path: string, file: LogFile): Promise<boolean> {
  const current = await lookAt(path);
  return current !== undefined && current.inode !== file.inode;
}

/** Opens all files of the log, oldest first. */
export async function openLogFiles(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (const found of await findLogFiles(path)) {
    const file = await openLogFile(found.path);
    // Two names were one file if it was rotated between the look and the opening.
    if (file === undefined) continue;
    if (files.some((other) => other.inode === file.inode)) await file.handle.close();
    else files.push(file);
  }
  return files;
}

/** Opens the files that come after `file`, oldest first. */
export async function openSuccessors(path: string, file: LogFile): Promise<LogFile[]> {
  const { mtimeNs } = await file.handle.stat({ bigint: true });
  const found = await findLogFiles(path);
  const position = found.findIndex(({ inode }) => inode === file.inode);
  const later = position >= 0 ? found.slice(position + 1) : found.filter(({ modified }) => modified >= mtimeNs);
  const files = await Promise.all(later.map((each) => openLogFile(each.path)));
  return files.filter((each) => each !== undefined);
}

async function openLogFile(path: string): Promise<LogFile | undefined> {
  try {
    const handle = await open(path, 'r');
    const { ino } = await handle.stat({ bigint: true });
    return { handle, inode: ino };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
