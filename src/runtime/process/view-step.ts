import { join, posix } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import { isWithin, locate, type MountEntry, type MountExpectation } from './mount-table.ts';
import { READ_ONLY_KERNEL_PATHS } from './view-tables.ts';

/** One step of building a container's root file system, in the order in which bubblewrap does them. */
export type Step =
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'tmpfs'; readonly path: string; readonly mode: number }
  | { readonly kind: 'proc' | 'mqueue' | 'read-only'; readonly path: string }
  | { readonly kind: 'bind'; readonly path: string; readonly source: string; readonly access: 'ro' | 'rw' | 'device' };

const BIND_OPTIONS = { ro: '--ro-bind', rw: '--bind', device: '--dev-bind' } as const;

/** A step as bubblewrap's arguments. */
export function stepArguments(step: Step): string[] {
  switch (step.kind) {
    case 'symlink':
      return ['--symlink', step.target, step.path];
    case 'directory':
      return ['--perms', '0755', '--dir', step.path];
    case 'tmpfs':
      return ['--perms', step.mode.toString(8).padStart(4, '0'), '--tmpfs', step.path];
    case 'proc':
      return ['--proc', step.path];
    case 'mqueue':
      return ['--mqueue', step.path];
    case 'read-only':
      return ['--remount-ro', step.path];
    case 'bind':
      return [BIND_OPTIONS[step.access], step.source, step.path];
  }
}

/** What the mount table will hold when the steps are done. `sources` says of the pod's own mounts where they come from. */
export function expectedMounts(
  steps: readonly Step[],
  sources: ReadonlyMap<string, string>,
  table: readonly MountEntry[],
): MountExpectation {
  const required = new Map<string, { device: string; root: string } | undefined>([['/', undefined]]);
  const allowed = new Set<string>();
  for (const step of steps) {
    if (step.kind === 'symlink' || step.kind === 'directory' || step.kind === 'read-only') continue;
    required.set(step.path, undefined);
    if (step.kind === 'proc') for (const path of READ_ONLY_KERNEL_PATHS) allowed.add(path);
    if (step.kind !== 'bind') continue;
    for (const { mountPoint } of table) {
      if (mountPoint !== step.source && isWithin(mountPoint, step.source))
        allowed.add(join(step.path, posix.relative(step.source, mountPoint)));
    }
  }
  for (const [path, source] of sources) {
    const place = locate(table, source);
    if (place === undefined) throw new CausewayError('Invalid', `the source of ${path} is on no mounted file system`);
    required.set(path, place);
  }
  return { required, allowed };
}
