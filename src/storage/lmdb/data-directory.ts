import type { Stats } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import { type DirectoryLock, isLockFile, lockDirectory } from '../directory-lock.ts';
import { JOURNAL_FILES } from './journal.ts';

/** `format` says what the directory is. It is written first, and once more when the data file is complete. */
const FORMAT_FILE = 'format';
const DATA_FILE = 'data.mdb';
const LMDB_LOCK_FILE = 'data.mdb-lock';
const UNFINISHED = 'causeway storage, format 2, not complete\n';
const COMPLETE = 'causeway storage, format 2\n';
/** Format 1 has no journal. */
const UNFINISHED_1 = 'causeway storage, format 1, not complete\n';
const COMPLETE_1 = 'causeway storage, format 1\n';

export interface DataDirectory {
  readonly directory: string;
  readonly dataFile: string;
  readonly journalFiles: readonly [string, string];
  /** True at the first start: the data file is empty, and `complete` must follow when it is set up. */
  readonly fresh: boolean;
  complete(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Opens, or makes, the directory of a store: mode 0700, files 0600, locked against other processes. Throws a `CausewayError` with one line, and
 * changes nothing, when the directory is somebody else's, damaged, open to other users or in use.
 */
export async function openDataDirectory(directory: string): Promise<DataDirectory> {
  if ((await inspect(directory)) === 'absent') await makeDirectory(directory);
  const lock = await takeLock(directory);
  try {
    // Another process may have set it up, or changed it, before the lock was ours.
    const state = await inspect(directory);
    const fresh = state !== 'complete' && state !== 'format 1';
    if (fresh) await prepare(directory);
    if (state === 'format 1') await addJournal(directory);
    return {
      directory,
      dataFile: join(directory, DATA_FILE),
      journalFiles: [join(directory, JOURNAL_FILES[0]), join(directory, JOURNAL_FILES[1])],
      fresh,
      complete: () => writeFormat(directory, COMPLETE),
      release: () => release(lock),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function takeLock(directory: string): Promise<DirectoryLock> {
  try {
    return await lockDirectory(directory);
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw refuse(directory, `cannot be written (${String(code)})`, error);
  }
}

const release = (lock: DirectoryLock): Promise<void> => lock.release();

type State = 'absent' | 'empty' | 'unfinished' | 'complete' | 'format 1';

const STATES: ReadonlyMap<string, State> = new Map([
  [UNFINISHED, 'unfinished'],
  [UNFINISHED_1, 'unfinished'],
  [COMPLETE, 'complete'],
  [COMPLETE_1, 'format 1'],
]);

async function inspect(directory: string): Promise<State> {
  const stats = await statOrAbsent(directory);
  if (stats === undefined) return 'absent';
  if (!stats.isDirectory()) throw refuse(directory, 'is not a directory');
  const names = (await readdir(directory)).filter((name) => !isLockFile(name));
  if (names.length === 0) return 'empty';
  const format = names.includes(FORMAT_FILE) ? await readFile(join(directory, FORMAT_FILE), 'utf8') : undefined;
  const state = format === undefined ? undefined : STATES.get(format);
  if (state === undefined) {
    if (format?.startsWith('causeway storage, ') === true) throw refuse(directory, 'was made by a newer version');
    throw refuse(directory, 'holds files of something else');
  }
  checkOwner(directory, stats);
  if (state === 'unfinished') return state;
  await checkDataFile(directory);
  if (state === 'format 1') return state;
  for (const name of JOURNAL_FILES) {
    if (!names.includes(name)) throw refuse(directory, `is damaged: ${name} is missing`);
  }
  return state;
}

async function statOrAbsent(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return undefined;
    throw refuse(path, `cannot be read (${String(code)})`, error);
  }
}

function checkOwner(directory: string, stats: Stats): void {
  const me = process.geteuid?.();
  if (me !== undefined && me !== 0 && stats.uid !== me) throw refuse(directory, 'belongs to another user');
  if ((stats.mode & 0o077) !== 0) throw refuse(directory, 'is open to other users: its mode must be 0700');
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw refuse(directory, `cannot be made (${String(code)})`, error);
  }
}

async function prepare(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  await writeFormat(directory, UNFINISHED);
  // What an unfinished start left holds nothing that was acknowledged. LMDB takes files that are there as they are, with their mode.
  await makeEmpty(directory, [DATA_FILE, LMDB_LOCK_FILE, ...JOURNAL_FILES]);
}

async function addJournal(directory: string): Promise<void> {
  await makeEmpty(directory, JOURNAL_FILES);
  await writeFormat(directory, COMPLETE);
}

async function makeEmpty(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const file = join(directory, name);
    await unlink(file).catch(() => undefined);
    await (await open(file, 'wx', 0o600)).close();
  }
}

async function writeFormat(directory: string, text: string): Promise<void> {
  const temporary = join(directory, `${FORMAT_FILE}.new`);
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(directory, FORMAT_FILE));
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// The two meta pages of LMDB's data format 2 on a 64-bit little-endian machine, offsets in a page:
//
//   24 magic u32 | 28 version u32 | … | 48 page size u32 | … | 144 last page u64 | 152 transaction u64
const META_BYTES = 160;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
/** The file may lack the last pages when they are free. */
const MISSING_PAGES = 64;

/** A truncated file would end the process with SIGBUS, a foreign one could be changed by opening it: look first. */
async function checkDataFile(directory: string): Promise<void> {
  const damaged = (why: string): CausewayError => refuse(directory, `is damaged: ${DATA_FILE} ${why}`);
  const path = join(directory, DATA_FILE);
  if ((await statOrAbsent(path)) === undefined) throw damaged('is missing');
  const file = await open(path, 'r');
  try {
    const first = await readMeta(file.read.bind(file), 0);
    const pageSize = first?.pageSize ?? 0;
    const second = pageSize < 512 ? undefined : await readMeta(file.read.bind(file), pageSize);
    if (first === undefined || second === undefined) throw damaged('is not a database');
    const newest = first.transaction > second.transaction ? first : second;
    const { size } = await file.stat();
    if (size < (newest.lastPage + 1 - MISSING_PAGES) * pageSize) throw damaged('is cut short');
  } finally {
    await file.close();
  }
}

type Read = (buffer: Buffer, offset: number, length: number, position: number) => Promise<{ bytesRead: number }>;

async function readMeta(
  read: Read,
  position: number,
): Promise<{ pageSize: number; lastPage: number; transaction: bigint } | undefined> {
  const page = Buffer.alloc(META_BYTES);
  const { bytesRead } = await read(page, 0, META_BYTES, position);
  if (bytesRead < META_BYTES || page.readUInt32LE(24) !== MAGIC || page.readUInt32LE(28) !== DATA_VERSION) {
    return undefined;
  }
  return {
    pageSize: page.readUInt32LE(48),
    lastPage: Number(page.readBigUInt64LE(144)),
    transaction: page.readBigUInt64LE(152),
  };
}

function refuse(directory: string, why: string, cause?: unknown): CausewayError {
  return new CausewayError('Conflict', `data directory ${directory} ${why}`, cause === undefined ? {} : { cause });
}
