import { access, chmod, constants, lstat, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CausewayError } from '../lib/errors.ts';
import { isLockFile, lockDirectory } from '../storage/directory-lock.ts';

/** Says that a directory is Causeway's, and how it is laid out. */
export const DATA_MARKER = 'causeway.json';
const LAYOUT = 1;

/** Who a data directory belongs to: a cluster, whose own node may be in it too, or a node that joined one. */
type Owner = 'cluster' | 'node';

/** Where a control plane keeps what is its own. */
export interface ServerDirectory {
  readonly root: string;
  readonly pki: string;
  readonly store: string;
  readonly auditLog: string;
  readonly adminKubeconfig: string;
  release(): Promise<void>;
}

/** Where a node keeps what is its own. */
export interface NodeDirectory {
  readonly root: string;
  readonly podsDirectory: string;
  readonly logsDirectory: string;
  readonly runtimeDirectory: string;
  release(): Promise<void>;
}

export type ClusterDirectory = ServerDirectory & NodeDirectory;

/**
 * Takes the data directory of a control plane and its own node for this process alone, and makes it when it is missing or empty. Throws
 * one line, and changes nothing, when it is somebody else's, cannot be written, or another Causeway uses it.
 */
export async function openClusterDirectory(path: string): Promise<ClusterDirectory> {
  const server = await openServerDirectory(path);
  try {
    return { ...server, ...(await nodeDirectories(server.root)) };
  } catch (error) {
    await server.release();
    throw error;
  }
}

/** The same for a control plane without a node. */
export async function openServerDirectory(path: string): Promise<ServerDirectory> {
  const { root, release } = await take(path, 'cluster');
  return {
    root,
    pki: join(root, 'pki'),
    store: join(root, 'store'),
    auditLog: join(root, 'audit.log'),
    adminKubeconfig: join(root, 'admin.kubeconfig'),
    release,
  };
}

/** The same for a node that joins a cluster; its `pki` holds its certificates and whom it trusts. */
export async function openNodeDirectory(path: string): Promise<NodeDirectory> {
  const { root, release } = await take(path, 'node');
  try {
    await mkdir(join(root, 'pki'), { recursive: true, mode: 0o700 });
    return { root, release, ...(await nodeDirectories(root)) };
  } catch (error) {
    await release();
    throw error;
  }
}

async function nodeDirectories(root: string): Promise<Omit<NodeDirectory, 'root' | 'release'>> {
  const node = join(root, 'node');
  const directories = {
    podsDirectory: join(node, 'pods'),
    logsDirectory: join(node, 'logs'),
    runtimeDirectory: join(node, 'runtime'),
  };
  for (const directory of Object.values(directories)) await mkdir(directory, { recursive: true, mode: 0o700 });
  return directories;
}

async function take(path: string, owner: Owner): Promise<{ readonly root: string; release(): Promise<void> }> {
  const root = resolve(path);
  await inspect(root, owner);
  await makeDirectory(root);
  const lock = await lockDirectory(root);
  try {
    await inspect(root, owner);
    await mark(root, owner);
    return { root, release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function inspect(root: string, owner: Owner): Promise<void> {
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
  if (names.length > 0) await checkMarker(root, owner, names);
  const me = process.geteuid?.();
  if (me !== undefined && me !== 0 && stats.uid !== me) throw refuse(root, 'belongs to another user');
  if ((stats.mode & 0o077) !== 0 && names.length > 0) {
    throw refuse(root, `is open to other users: run chmod 700 ${root}`);
  }
  await access(root, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw refuse(root, `cannot be written (${error.code})`, error);
  });
}

async function checkMarker(root: string, owner: Owner, names: readonly string[]): Promise<void> {
  if (!names.includes(DATA_MARKER)) {
    throw refuse(root, 'holds files of something else: give an empty or a new directory with --data-dir');
  }
  let marker: { layout?: unknown; of?: unknown };
  try {
    marker = JSON.parse(await readFile(join(root, DATA_MARKER), 'utf8')) as typeof marker;
  } catch (error) {
    throw refuse(root, `is damaged: ${DATA_MARKER} cannot be read`, error);
  }
  if (marker.layout !== LAYOUT) throw refuse(root, 'was made by another version of Causeway');
  const found = marker.of ?? 'cluster';
  if (found === owner) return;
  const whose = found === 'node' ? 'a node that joined a cluster' : 'a control plane';
  throw refuse(root, `is the one of ${whose}: give another one with --data-dir`);
}

async function makeDirectory(root: string): Promise<void> {
  await mkdir(dirname(root), { recursive: true })
    .then(() => mkdir(root, { mode: 0o700 }))
    .catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw refuse(root, `cannot be made (${error.code})`, error);
    });
}

async function mark(root: string, owner: Owner): Promise<void> {
  const path = join(root, DATA_MARKER);
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known !== undefined) return;
  await chmod(root, 0o700);
  await writeFile(
    `${path}.new`,
    `${JSON.stringify({ layout: LAYOUT, ...(owner === 'node' ? { of: owner } : {}) })}\n`,
    { mode: 0o600 },
  );
  await rename(`${path}.new`, path);
}

function refuse(root: string, why: string, cause?: unknown): CausewayError {
  return new CausewayError('Conflict', `data directory ${root} ${why}`, cause === undefined ? {} : { cause });
}
