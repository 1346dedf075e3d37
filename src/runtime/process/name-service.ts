import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

/**
 * The program that drops root inside of a container looks its user and groups up by the C library, before it drops anything. Whoever
 * answers that decides who it becomes, so inside only files answer: not nscd and not systemd, whose sockets are in /run, which is the
 * container's own.
 */
const NAME_SERVICES = `passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
`;

/** Where nscd(8) listens; kept empty and read-only. */
export const NSCD_DIRECTORY = '/run/nscd';

/** Writes the container's `/etc/nsswitch.conf`; undefined where the C library has none. */
export function writeNameServices(stateDirectory: string): string | undefined {
  if (!existsSync('/etc/nsswitch.conf')) return undefined;
  const path = join(stateDirectory, 'nsswitch.conf');
  writeFileSync(path, NAME_SERVICES, { mode: 0o644 });
  return path;
}

/** Directories that ld.so(8) takes libraries from, beyond the usual ones. */
export function libraryDirectories(configuration = '/etc/ld.so.conf', depth = 0): string[] {
  let text: string;
  try {
    text = readFileSync(configuration, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const entry = line.replace(/#.*/, '').trim();
    const included = /^include\s+(.+)$/.exec(entry)?.[1];
    if (included !== undefined && depth < 4) {
      const pattern = isAbsolute(included) ? included : join(dirname(configuration), included);
      return globSync(pattern).flatMap((path) => libraryDirectories(path, depth + 1));
    }
    return isAbsolute(entry) ? [entry] : [];
  });
}
