import { closeSync, constants, mkdirSync, openSync } from 'node:fs';

/** O_PATH of fcntl(2): a descriptor that only names a directory. Node has no name for it. */
const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Makes `relative` in a pod's volume, for another volume to be mounted on. The pod may change the volume meanwhile: each step is taken
 * from the directory that was opened before, and no symbolic link is followed.
 */
export function makeMountPoint(volume: string, relative: string, isDirectory: boolean): void {
  const names = relative.split('/');
  let at = openSync(volume, DIRECTORY);
  try {
    for (const [index, name] of names.entries()) {
      const path = `/proc/self/fd/${at}/${name}`;
      if (index === names.length - 1 && !isDirectory) {
        closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644));
        return;
      }
      try {
        mkdirSync(path, 0o755);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const next = openSync(path, DIRECTORY);
      closeSync(at);
      at = next;
    }
  } finally {
    closeSync(at);
  }
}
