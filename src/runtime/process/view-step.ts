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
