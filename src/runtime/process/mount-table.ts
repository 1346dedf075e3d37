import { readFileSync } from 'node:fs';

/** One line of `mountinfo`: proc_pid_mountinfo(5). */
export interface MountEntry {
  readonly id: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The directory of the file system that is mounted here. */
  readonly root: string;
  readonly mountPoint: string;
}

const withoutEscapes = (text: string): string =>
  text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    : text;

export function parseMountTable(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const [id, , device, root, mountPoint] = fields;
    if (id === undefined || device === undefined || root === undefined || mountPoint === undefined) continue;
    // Names are bytes there; they are read as latin1 and made UTF-8 after the octal escapes are gone.
    const decode = (field: string): string => Buffer.from(withoutEscapes(field), 'latin1').toString('utf8');
    entries.push({ id: Number(id), device, root: decode(root), mountPoint: decode(mountPoint) });
  }
  return entries;
}

export function mountTableText(pid: number | 'self'): string {
  return readFileSync(`/proc/${pid}/mountinfo`, 'latin1');
}

export function readMountTable(pid: number | 'self'): MountEntry[] {
  return parseMountTable(mountTableText(pid));
}

/** True for `path` itself and for what lies below it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === '/' || path.startsWith(`${directory}/`);
}

/** Where a canonical path lies: its file system, and its path in that. */
export function locate(table: readonly MountEntry[], path: string): { device: string; root: string } | undefined {
  let best: MountEntry | undefined;
  for (const entry of table) {
    // Of two mounts at one place the later hides the earlier.
    if (isWithin(path, entry.mountPoint) && (best === undefined || entry.mountPoint.length >= best.mountPoint.length))
      best = entry;
  }
  if (best === undefined) return undefined;
  const rest = best.mountPoint === '/' ? path : path.slice(best.mountPoint.length);
  const root = best.root === '/' ? rest : best.root + (rest === '/' ? '' : rest);
  return { device: best.device, root: root === '' ? '/' : root };
}

/** What a container's mount table must hold before anything in it runs. */
export interface MountExpectation {
  /** Each mount point, and for those that come from the pod where the source lies (undefined: not looked at). */
  readonly required: ReadonlyMap<string, { readonly device: string; readonly root: string } | undefined>;
  /** Mount points that may be there besides: the host's own mounts below a directory that is shown. */
  readonly allowed: ReadonlySet<string>;
}

/**
 * Undefined when a mount table is what was asked for, otherwise what is not (yet) so. A pod's volume may hold symbolic links that its
 * containers change at any moment, so a mount can land elsewhere than asked (CVE-2017-1002101, CVE-2021-25741): the table says where
 * it really landed.
 */
export function mountProblem(table: readonly MountEntry[], expected: MountExpectation): string | undefined {
  const seen = new Map<string, MountEntry>();
  for (const entry of table) seen.set(entry.mountPoint, entry);
  for (const [path, source] of expected.required) {
    const entry = seen.get(path);
    if (entry === undefined) return `nothing is mounted at ${path}`;
    if (source !== undefined && (source.device !== entry.device || source.root !== entry.root))
      return `what is mounted at ${path} is not what was asked for`;
  }
  for (const path of seen.keys()) {
    if (!expected.required.has(path) && !expected.allowed.has(path))
      return `something is mounted at ${path} that was not asked for`;
  }
  return undefined;
}

/** Every place where the directory at `path` can be reached: file systems are often mounted more than once. */
export function aliases(table: readonly MountEntry[], path: string): string[] {
  const place = locate(table, path);
  if (place === undefined) return [path];
  const found = new Set([path]);
  for (const entry of table) {
    if (entry.device !== place.device || !isWithin(place.root, entry.root)) continue;
    const rest = entry.root === '/' ? place.root : place.root.slice(entry.root.length);
    found.add(entry.mountPoint === '/' ? rest : entry.mountPoint + (rest === '/' ? '' : rest));
  }
  return [...found];
}
