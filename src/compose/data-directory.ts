import { access, chmod, constants, lstat, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CausewayError } from '../lib/errors.ts';
import { isLockFile, lockDirectory } from '../storage/directory-lock.ts';

/** Says that a directory is Causeway's, and how it is laid out. */
const MARKER = 'causeway.json';
const LAYOUT = 1;

/** Where everything of one cluster on this machine is kept. */
export interface ClusterDirectory {
  readonly root: string;
  readonly pki: string;
  readonly store: string;
  readonly auditLog: string;
  readonly adminKubeconfig: string;
  readonly podsDirectory: string;
  readonly logsDirectory: string;
  readonly runtimeDirectory: string;
  release(): Promise<void>;
}

/**
 * Takes a data directory for this process alone, and makes it when it is missing or empty. Throws one line, and changes
 * nothing, when it is somebody else's, cannot be written, or another Causeway uses it.
 */
export async function openClusterDirectory(path: string): Promise<ClusterDirectory> {
  const root = resolve(path);
  await inspect(root);
  await makeDirectory(root);
  const lock = await lockDirectory(root);
  try {
    await inspect(root);
    await mark(root);
    const node = join(root, 'node');
    for (const directory of [node, join(node, 'pods'), join(node, 'logs'), join(node, 'runtime')]) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
    }
    return {
      root,
      pki: join(root, 'pki'),
      store: join(root, 'store'),
      auditLog: join(root, 'audit.log'),
      adminKubeconfig: join(root, 'admin.kubeconfig'),
      podsDirectory: join(node, 'pods'),
      logsDirectory: join(node, 'logs'),
      runtimeDirectory: join(node, 'runtime'),
      release: () => lock.release(),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function inspect(root: string): Promise<void> {
  const stats = await lstat(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw refuse(root, `cannot be read (${error.code})`, error);
  });
  if (stats === undefined) return;
  if (!stats.isDirectory()) throw refuse(root, 'is not a directory');
  const names = (
    await readdir(root).catch((error: NodeJS.ErrnoException) => {
      throw refuse(root, `cannot be read (${error.code})`, error);
    })
  ).filter((name) => !isLockFile(name));
  if (names.length > 0) await checkMarker(root, names);
  const me = process.geteuid?.();
  if (me !== undefined && me !== 0 && stats.uid !== me) throw refuse(root, 'belongs to another user');
  if ((stats.mode & 0o077) !== 0 && names.length > 0) {
    throw refuse(root, `is open to other users: run chmod 700 ${root}`);
  }
  await access(root, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw refuse(root, `cannot be written (${error.code})`, error);
  });
}

async function checkMarker(root: string, names: readonly string[]): Promise<void> {
  if (!names.includes(MARKER)) {
    throw refuse(root, 'holds files of something else: give an empty or a new directory with --data-dir');
  }
  let layout: unknown;
  try {
    layout = (JSON.parse(await readFile(join(root, MARKER), 'utf8')) as { layout?: unknown }).layout;
  } catch (error) {
    throw refuse(root, `is damaged: ${MARKER} cannot be read`, error);
  }
  if (layout !== LAYOUT) throw refuse(root, 'was made by another version of Causeway');
}

async function makeDirectory(root: string): Promise<void> {
  await mkdir(dirname(root), { recursive: true })
    .then(() => mkdir(root, { mode: 0o700 }))
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw refuse(root, `cannot be made (${error.code})`, error);
    });
}

async function mark(root: string): Promise<void> {
  const path = join(root, MARKER);
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known !== undefined) return;
  await chmod(root, 0o700);
  await writeFile(`${path}.new`, `${JSON.stringify({ layout: LAYOUT })}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function refuse(root: string, why: string, cause?: unknown): CausewayError {
  return new CausewayError('Conflict', `data directory ${root} ${why}`, cause === undefined ? {} : { cause });
}
