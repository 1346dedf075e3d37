import { access, lstat, readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';

/**
 * Throws `Forbidden` when others than root can change a program that a service starts: the file, a folder above it, or anything in the package
 * that it belongs to, dependencies included. Whoever could would own the machine, or the cluster.
 */
export async function mustBeSafe(program: string): Promise<void> {
  const real = await realpath(program);
  for (let at = real; at !== dirname(at); at = dirname(at)) await mustBeRoots(at, at !== real);
  const root = await packageOf(real);
  if (root !== undefined) await mustBeSafeBelow(root);
}

async function mustBeRoots(path: string, isAbove: boolean): Promise<void> {
  const { uid, mode } = await lstat(path);
  // In a folder such as /tmp nobody can replace what is somebody else's.
  const others = (mode & 0o022) !== 0 && !(isAbove && (mode & 0o1000) !== 0);
  if (uid !== 0 || others) throw unsafe(path);
}

/** Where all that a script may load lies: the outermost `node_modules`, or the folder of its `package.json`. */
async function packageOf(path: string): Promise<string | undefined> {
  const end = path.indexOf('/node_modules/');
  if (end >= 0) return path.slice(0, end + '/node_modules'.length);
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    const found = await access(join(at, 'package.json')).then(
      () => true,
      () => false,
    );
    if (found) return at;
  }
  return undefined;
}

/** Links are not followed: what they lead to lies here too, and is looked at there, or is refused. */
async function mustBeSafeBelow(root: string): Promise<void> {
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isSymbolicLink()) {
        const target = await realpath(path).catch(() => undefined);
        if (target !== undefined && !target.startsWith(`${root}/`)) throw unsafe(path);
        continue;
      }
      await mustBeRoots(path, false);
      if (entry.isDirectory()) folders.push(path);
    }
  }
}

function unsafe(path: string): CausewayError {
  return new CausewayError('Forbidden', `${path} can be changed by others than root: npm install -g causeway, as root`);
}
