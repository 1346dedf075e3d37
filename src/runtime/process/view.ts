import { lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import { MIRRORED_ENTRIES, SYMLINKS_PER_PATH } from './limits.ts';
import { makeMountPoint } from './mount-point.ts';
import { aliases, isWithin, type MountEntry, type MountExpectation } from './mount-table.ts';
import { NSCD_DIRECTORY } from './name-service.ts';
import { expectedMounts, type Step, stepArguments } from './view-step.ts';
import {
  DEVICE_NAMES,
  DEVICES,
  EMPTY_TOP,
  MASKED_KERNEL_PATHS,
  OWN_TOP,
  PROTECTED,
  READ_ONLY_KERNEL_PATHS,
} from './view-tables.ts';

/** A mount of the pod. `source` is canonical, so that no symbolic link is followed after it was checked. */
export interface ViewMount {
  readonly source: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
}

export interface ViewInput {
  /** The mount table of the sandbox, where the sources are looked up. */
  readonly table: readonly MountEntry[];
  readonly mounts: readonly ViewMount[];
  /** Canonical host paths that no container sees. */
  readonly masks: readonly string[];
  /** Those of `masks` that stay masked inside a hostPath mount of a directory above them. */
  readonly hidden: readonly string[];
  /** Directories shown although they lie below one that is shown empty. */
  readonly exposed: readonly string[];
  /** Container path → host file, for the files that the runtime itself writes. */
  readonly files: ReadonlyMap<string, string>;
  /** Container path → host directory of its own, writable: `/tmp` and `/var/tmp`. */
  readonly scratch: ReadonlyMap<string, string>;
  readonly readOnlyRoot: boolean;
  readonly privileged: boolean;
  readonly workingDir: string;
  /** A proc file system to show instead of one of the container's own PID namespace. */
  readonly proc: string | undefined;
  readonly sys: string;
  readonly shm: string;
  /** Container path → cgroup directory. */
  readonly cgroups: ReadonlyMap<string, string>;
  readonly mqueue: boolean;
  /** Directories besides the usual ones that hold the programs which enter containers, and their libraries. */
  readonly programs: readonly string[];
}

export interface View {
  readonly bwrapArguments: readonly string[];
  readonly expectation: MountExpectation;
}

/** What a path of the view comes from. */
type Region =
  | { readonly kind: 'own' }
  | { readonly kind: 'host'; readonly source: string }
  | { readonly kind: 'volume'; readonly source: string; readonly readOnly: boolean };

function lstatOrUndefined(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function refuse(message: string): never {
  throw new CausewayError('Invalid', message);
}

class ViewBuilder {
  readonly #input: ViewInput;
  readonly #steps: Step[] = [];
  readonly #readOnly: string[] = ['/'];
  readonly #regions = new Map<string, Region>([['/', { kind: 'own' }]]);
  readonly #symlinks = new Map<string, string>();
  readonly #sources = new Map<string, string>();

  constructor(input: ViewInput) {
    this.#input = input;
  }

  build(): View {
    const { files, mounts, scratch, workingDir } = this.#input;
    this.#topDirectories();
    const targets = [...files.keys(), ...scratch.keys(), ...mounts.map((mount) => mount.containerPath), workingDir];
    this.#mirrorParents(targets);
    for (const [path, source] of [...scratch, ...files]) {
      const target = this.#resolve(path);
      const writable = scratch.has(path) && !this.#input.readOnlyRoot;
      this.#bind(target, source, writable ? 'rw' : 'ro');
      this.#regions.set(target, { kind: 'volume', source, readOnly: !writable });
    }
    this.#exposeInScratch();
    for (const mask of this.#input.masks) {
      for (const path of aliases(this.#input.table, mask))
        if (this.#regionOf(path)[1].kind === 'host') this.#mask(path, path);
    }
    this.#kernelFileSystems();
    this.#devices();
    const depth = (path: string): number => path.split('/').length;
    const inOrder = [...mounts].sort(
      (a, b) => depth(posix.normalize(a.containerPath)) - depth(posix.normalize(b.containerPath)),
    );
    for (const mount of inOrder) this.#volume(mount);
    this.#nscdDirectory();
    this.#workingDirectory(workingDir);
    for (const path of this.#readOnly) if (!this.#covered(path)) this.#steps.push({ kind: 'read-only', path });
    return {
      bwrapArguments: this.#steps.flatMap(stepArguments),
      expectation: expectedMounts(this.#steps, this.#sources, this.#input.table),
    };
  }

  /** `/` is a tmpfs of its own with the host's top directories in it, so that mount points can be made next to them. */
  #topDirectories(): void {
    for (const name of readdirSync('/')) {
      if (OWN_TOP.has(name)) continue;
      const path = `/${name}`;
      const stats = lstatOrUndefined(path);
      if (stats?.isSymbolicLink() === true) this.#symlink(path, readlinkSync(path));
      else if (stats?.isDirectory() !== true) continue;
      else if (EMPTY_TOP.has(name)) this.#steps.push({ kind: 'directory', path });
      else this.#host(path, path);
    }
    for (const path of this.#input.exposed) {
      if (EMPTY_TOP.has(path.split('/')[1] ?? '')) this.#host(path, path);
    }
    this.#tmpfs('/run', 0o755, this.#input.readOnlyRoot);
  }

  /** What is to be seen and lies in the host's /tmp, of which the container has its own. */
  #exposeInScratch(): void {
    for (const path of this.#input.exposed) {
      const [at, region] = this.#regionOf(path);
      if (region.kind !== 'volume' || !this.#input.scratch.has(at)) continue;
      makeMountPoint(region.source, posix.relative(at, path), true);
      this.#host(path, path);
    }
  }

  /** A mount point that the host does not have needs a directory that can hold it: a tmpfs with the host directory's entries in it. */
  #mirrorParents(targets: readonly string[]): void {
    const parents = new Set<string>();
    for (const target of targets) {
      if (!posix.isAbsolute(target)) refuse(`mount path ${target} must be absolute`);
      const path = this.#resolve(target);
      if (this.#regionOf(path)[1].kind !== 'host' || lstatOrUndefined(path) !== undefined) continue;
      let parent = dirname(path);
      while (lstatOrUndefined(parent) === undefined) parent = dirname(parent);
      parents.add(parent);
    }
    const byDepth = [...parents].sort((a, b) => a.split('/').length - b.split('/').length);
    for (const parent of byDepth) this.#mirror(parent);
  }

  #mirror(directory: string): void {
    const stats = statSync(directory);
    if (!stats.isDirectory()) refuse(`${directory} is not a directory, so nothing can be mounted below it`);
    const names = readdirSync(directory);
    if (names.length > MIRRORED_ENTRIES)
      refuse(`${directory} has more than ${MIRRORED_ENTRIES} entries, so no mount point can be added to it`);
    this.#tmpfs(directory, stats.mode & 0o777, true);
    for (const name of names) {
      const path = join(directory, name);
      const entry = lstatOrUndefined(path);
      if (entry === undefined) continue;
      if (entry.isSymbolicLink()) this.#symlink(path, readlinkSync(path));
      else if (entry.isDirectory() || entry.isFile()) this.#host(path, path);
    }
  }

  #mask(path: string, hostPath: string): void {
    const stats = lstatOrUndefined(hostPath);
    if (stats === undefined || stats.isSymbolicLink()) return;
    if (stats.isDirectory()) this.#tmpfs(path, 0o555, true);
    else this.#bind(path, '/dev/null', 'ro');
    this.#regions.set(path, { kind: 'own' });
  }

  #kernelFileSystems(): void {
    const { proc, sys, privileged, cgroups } = this.#input;
    if (proc === undefined) {
      this.#steps.push({ kind: 'proc', path: '/proc' });
      this.#regions.set('/proc', { kind: 'own' });
    } else {
      this.#bind('/proc', proc, 'rw');
    }
    this.#bind('/sys', sys, privileged ? 'rw' : 'ro');
    if (cgroups.size > 0) {
      this.#tmpfs('/sys/fs/cgroup', 0o755, true);
      for (const [path, source] of cgroups) this.#bind(path, source, privileged ? 'rw' : 'ro');
    }
    if (privileged) return;
    for (const path of READ_ONLY_KERNEL_PATHS) if (lstatOrUndefined(path) !== undefined) this.#bind(path, path, 'ro');
    for (const path of MASKED_KERNEL_PATHS) {
      const stats = lstatOrUndefined(path);
      if (stats?.isDirectory() === true) this.#tmpfs(path, 0o555, true);
      else if (stats?.isFile() === true) this.#bind(path, '/dev/null', 'ro');
    }
  }

  #devices(): void {
    this.#tmpfs('/dev', 0o755, true);
    if (this.#input.privileged) this.#hostDevices();
    else for (const name of DEVICES) this.#bind(`/dev/${name}`, `/dev/${name}`, 'device');
    this.#bind('/dev/pts', '/dev/pts', 'device');
    this.#symlink('/dev/ptmx', 'pts/ptmx');
    this.#symlink('/dev/fd', '/proc/self/fd');
    ['stdin', 'stdout', 'stderr'].forEach((name, fd) => {
      this.#symlink(`/dev/${name}`, `/proc/self/fd/${fd}`);
    });
    if (this.#input.mqueue) {
      this.#steps.push({ kind: 'mqueue', path: '/dev/mqueue' });
      this.#regions.set('/dev/mqueue', { kind: 'own' });
    }
    this.#bind('/dev/shm', this.#input.shm, 'rw');
  }

  /** One by one, so that a mount point made in `/dev` is not made on the host. */
  #hostDevices(): void {
    for (const name of readdirSync('/dev')) {
      const path = `/dev/${name}`;
      const stats = lstatOrUndefined(path);
      if (stats === undefined || name === 'shm' || DEVICE_NAMES.includes(name)) {
        if (!DEVICES.includes(name)) continue;
      }
      if (stats?.isSymbolicLink() === true) this.#symlink(path, readlinkSync(path));
      else this.#bind(path, path, 'device');
    }
  }

  #volume(mount: ViewMount): void {
    const target = this.#resolve(mount.containerPath);
    this.#checkProtected(mount.containerPath, target);
    const [at, region] = this.#regionOf(target);
    const source = statSync(mount.source);
    const existing =
      region.kind === 'own' ? undefined : lstatOrUndefined(join(region.source, posix.relative(at, target)));
    if (region.kind === 'volume' && region.readOnly && existing === undefined)
      refuse(`mount path ${mount.containerPath} lies in a volume that is mounted read-only and does not have it`);
    if (existing !== undefined && existing.isDirectory() !== source.isDirectory())
      refuse(
        `mount path ${mount.containerPath} is ${existing.isDirectory() ? 'a directory' : 'a file'}, and its source is ${source.isDirectory() ? 'a directory' : 'a file'}`,
      );
    if (region.kind === 'volume' && existing === undefined)
      makeMountPoint(region.source, posix.relative(at, target), source.isDirectory());
    this.#bind(target, mount.source, mount.readOnly ? 'ro' : 'rw');
    this.#sources.set(target, mount.source);
    this.#regions.set(target, { kind: 'volume', source: mount.source, readOnly: mount.readOnly });
    for (const hidden of this.#input.hidden) {
      for (const place of aliases(this.#input.table, hidden)) {
        if (place !== mount.source && isWithin(place, mount.source))
          this.#mask(join(target, posix.relative(mount.source, place)), place);
      }
    }
  }

  /** In a volume at /run too, even a read-only one: it may be writable elsewhere. */
  #nscdDirectory(): void {
    const path = this.#resolve(NSCD_DIRECTORY);
    const [at, region] = this.#regionOf(path);
    const relative = posix.relative(at, path);
    if (region.kind === 'volume' && lstatOrUndefined(join(region.source, relative)) === undefined) {
      try {
        makeMountPoint(region.source, relative, true);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EROFS') return;
        throw error;
      }
    }
    this.#tmpfs(path, 0o555, true);
  }

  #checkProtected(asked: string, target: string): void {
    // `/dev` itself is the runtime's own; a file or a directory may be added to it.
    const inside = [...PROTECTED, NSCD_DIRECTORY, ...this.#input.programs].find((path) => isWithin(target, path));
    const above = ['/dev', ...PROTECTED, ...this.#input.programs].find((path) => isWithin(path, target));
    const device = DEVICE_NAMES.find((name) => isWithin(target, `/dev/${name}`));
    if (inside !== undefined || above !== undefined || device !== undefined)
      refuse(
        `mount path ${asked} would cover ${inside ?? (device === undefined ? target : `/dev/${device}`)} of the host, which is the container's image; choose another mountPath`,
      );
  }

  #workingDirectory(asked: string): void {
    const path = this.#resolve(asked);
    if (this.#regionOf(path)[1].kind === 'own') this.#directoriesAbove(join(path, 'x'));
  }

  /** Follows symbolic links as the container will see them; those in a volume are the pod's, and are refused. */
  #resolve(path: string): string {
    let waiting = path.split('/');
    let current = '/';
    let followed = 0;
    while (waiting.length > 0) {
      const name = waiting.shift() ?? '';
      if (name === '' || name === '.') continue;
      if (name === '..') {
        current = dirname(current);
        continue;
      }
      const next = join(current, name);
      const link = this.#linkAt(path, next);
      if (link === undefined) {
        current = next;
        continue;
      }
      followed += 1;
      if (followed > SYMLINKS_PER_PATH) refuse(`mount path ${path} has too many symbolic links`);
      if (link.startsWith('/')) current = '/';
      waiting = [...link.split('/'), ...waiting];
    }
    return current;
  }

  #linkAt(asked: string, path: string): string | undefined {
    const own = this.#symlinks.get(path);
    if (own !== undefined) return own;
    const [at, region] = this.#regionOf(path);
    if (region.kind === 'own') return undefined;
    const source = join(region.source, posix.relative(at, path));
    if (lstatOrUndefined(source)?.isSymbolicLink() !== true) return undefined;
    if (region.kind === 'volume') refuse(`mount path ${asked} crosses a symbolic link inside a volume`);
    return readlinkSync(source);
  }

  #regionOf(path: string): readonly [string, Region] {
    for (let at = path; ; at = dirname(at)) {
      const region = this.#regions.get(at);
      if (region !== undefined) return [at, region];
    }
  }

  #host(path: string, source: string): void {
    this.#bind(path, source, 'ro');
    this.#regions.set(path, { kind: 'host', source });
  }

  /** Bubblewrap makes what is missing above a mount point, but open to root only. */
  #directoriesAbove(path: string): void {
    const missing: string[] = [];
    for (let at = dirname(path); !this.#regions.has(at); at = dirname(at)) missing.unshift(at);
    if (this.#regionOf(dirname(path))[1].kind !== 'own') return;
    for (const directory of missing) {
      this.#steps.push({ kind: 'directory', path: directory });
      this.#regions.set(directory, { kind: 'own' });
    }
  }

  #bind(path: string, source: string, access: 'ro' | 'rw' | 'device'): void {
    this.#directoriesAbove(path);
    this.#steps.push({ kind: 'bind', path, source, access });
    if (!this.#regions.has(path)) this.#regions.set(path, { kind: 'own' });
  }

  #tmpfs(path: string, mode: number, readOnly: boolean): void {
    this.#steps.push({ kind: 'tmpfs', path, mode });
    this.#regions.set(path, { kind: 'own' });
    if (readOnly) this.#readOnly.push(path);
  }

  #symlink(path: string, target: string): void {
    this.#steps.push({ kind: 'symlink', path, target });
    this.#symlinks.set(path, target);
  }

  /** Whether something was mounted over it, or over a directory above it, later. */
  #covered(path: string): boolean {
    const mounts = this.#steps.filter(({ kind }) => kind === 'tmpfs' || kind === 'bind');
    const own = mounts.findLastIndex((step) => step.kind === 'tmpfs' && step.path === path);
    return mounts.some((step, index) => index > own && isWithin(path, step.path));
  }
}

/**
 * A container's root file system: the host's, read-only, with what is nobody's business taken out and what is the pod's put in.
 * Throws `Invalid` for a mount that cannot be honoured.
 */
export function buildView(input: ViewInput): View {
  return new ViewBuilder(input).build();
}
