import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';

export interface ProjectedFile {
  /** Relative, such as `token` or `sub/key`. */
  readonly path: string;
  readonly data: Uint8Array;
  /** Permission bits, such as 0o644. */
  readonly mode: number;
}

const CURRENT = '..data';

/**
 * Makes `directory` show exactly `files`, all at once: readers see the old set or the new one, never a mixture. The files
 * live in a dated folder, `..data` links to it and is renamed over, and each first path segment links through `..data`, as
 * Kubernetes lays its volumes out. Returns false when nothing had changed.
 */
export async function writeAtomically(
  directory: string,
  files: readonly ProjectedFile[],
  gid?: number,
): Promise<boolean> {
  for (const file of files) assertInside(file.path);
  await mkdir(directory, { recursive: true, mode: 0o755 });
  if (await isCurrent(directory, files)) return false;
  const dated = `..${new Date().toISOString().replace(/[:.]/g, '_')}.${randomBytes(4).toString('hex')}`;
  const target = join(directory, dated);
  await mkdir(target, { mode: 0o755 });
  for (const file of files) {
    const path = join(target, file.path);
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    const mode = gid === undefined ? file.mode : file.mode | ((file.mode >> 3) & 0o040) | 0o040;
    await writeFile(path, file.data, { mode });
    await chmod(path, mode);
    if (gid !== undefined && process.getuid?.() === 0) await chown(path, 0, gid);
  }
  const previous = await readlink(join(directory, CURRENT)).catch(() => undefined);
  const link = join(directory, `${CURRENT}.${randomBytes(4).toString('hex')}`);
  await symlink(dated, link);
  await rename(link, join(directory, CURRENT));
  const wanted = new Set(files.map((f) => f.path.split('/')[0] ?? ''));
  for (const name of wanted) {
    const path = join(directory, name);
    const exists = await lstat(path).catch(() => undefined);
    if (exists === undefined) await symlink(join(CURRENT, name), path);
  }
  if (previous !== undefined) await removeOld(directory, previous, wanted);
  return true;
}

async function isCurrent(directory: string, files: readonly ProjectedFile[]): Promise<boolean> {
  const dated = await readlink(join(directory, CURRENT)).catch(() => undefined);
  if (dated === undefined) return false;
  const names = await listFiles(join(directory, dated));
  if (names.length !== files.length) return false;
  for (const file of files) {
    const stored = await readFile(join(directory, dated, file.path)).catch(() => undefined);
    if (stored === undefined || !stored.equals(file.data)) return false;
  }
  return true;
}

async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((e) => e.isFile()).map((e) => e.name);
}

async function removeOld(directory: string, previous: string, wanted: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith('..') || wanted.has(name)) continue;
    await rm(join(directory, name), { recursive: true, force: true });
  }
  await rm(join(directory, previous), { recursive: true, force: true });
}

/** Refuses a path that leaves its directory or takes one of the writer's own names. */
function assertInside(path: string): void {
  const parts = path.split('/');
  if (path.startsWith('/') || parts.includes('..') || parts.includes('') || (parts[0] ?? '').startsWith('..')) {
    throw new CausewayError(
      'Invalid',
      `the volume path ${JSON.stringify(path)} must be relative and must not contain '..'`,
    );
  }
}
