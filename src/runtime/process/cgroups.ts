import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../lib/deadline.ts';

export interface Limits {
  readonly cpuMillis?: number;
  readonly memoryBytes?: number;
  readonly pidsLimit?: number;
}

export type LimitName = keyof Limits;

/** The part of the cgroup hierarchy that is this runtime's. */
export interface Cgroups {
  readonly version: 1 | 2;
  /** Limits that can be set. */
  readonly limits: ReadonlySet<LimitName>;
  /** Makes the group of one container, with its limits, before anything runs in it. */
  create(id: string, limits: Limits): Cgroup;
  open(id: string): Cgroup;
  /** Ids of the groups that are there. */
  list(): string[];
  /** Takes the runtime's own directories away; they must be empty. */
  removeRoot(): void;
}

/** One container's group: a directory, or with version 1 one in each hierarchy. */
export interface Cgroup {
  readonly directories: readonly string[];
  /** Where the container sees them: container path → directory. */
  readonly view: ReadonlyMap<string, string>;
  stats(): { readonly cpuNanoseconds: bigint; readonly memoryBytes: number } | undefined;
  /** How often the kernel killed a process in it for want of memory. */
  outOfMemoryKills(): number;
  processes(): number[];
  kill(): void;
  remove(): Promise<void>;
}

/** Microseconds of one period of the CPU quota, and its least quota: kernel Documentation/scheduler/sched-bwc. */
const CPU_PERIOD = 100_000;
const CPU_LEAST_QUOTA = 1_000;

function cpuQuota(millis: number): number {
  return Math.max(CPU_LEAST_QUOTA, Math.round((millis * CPU_PERIOD) / 1000));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The value of `key` in a file of `key value` lines. */
function field(path: string, key: string): bigint {
  const match = new RegExp(`^${key} (\\d+)$`, 'm').exec(read(path) ?? '');
  return BigInt(match?.[1] ?? 0);
}

function number(path: string): bigint {
  const text = read(path)?.trim() ?? '';
  return /^\d+$/.test(text) ? BigInt(text) : 0n;
}

async function removeDirectory(path: string): Promise<void> {
  // The kernel lets go of a group a moment after its last process.
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY') throw error;
      await sleep(Math.min(50, 2 + attempt));
    }
  }
}

abstract class DirectoryGroup implements Cgroup {
  abstract readonly directories: readonly string[];
  abstract readonly view: ReadonlyMap<string, string>;
  abstract stats(): { cpuNanoseconds: bigint; memoryBytes: number } | undefined;
  abstract outOfMemoryKills(): number;

  processes(): number[] {
    const pids = (read(join(this.directories[0] ?? '', 'cgroup.procs')) ?? '').split('\n');
    return pids.filter((line) => line !== '').map(Number);
  }

  kill(): void {
    for (const pid of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
  }

  async remove(): Promise<void> {
    await Promise.all(this.directories.map(removeDirectory));
  }
}

class GroupV1 extends DirectoryGroup {
  readonly directories: readonly string[];
  readonly view: ReadonlyMap<string, string>;
  readonly #of: ReadonlyMap<string, string>;

  constructor(roots: ReadonlyMap<string, string>, id: string) {
    super();
    this.#of = new Map([...roots].map(([controller, root]) => [controller, join(root, id)]));
    this.directories = [...new Set(this.#of.values())];
    this.view = new Map([...this.#of].map(([controller, path]) => [`/sys/fs/cgroup/${controller}`, path]));
  }

  #file(controller: string, name: string): string {
    return join(this.#of.get(controller) ?? '/nonexistent', name);
  }

  limit(limits: Limits): void {
    if (limits.memoryBytes !== undefined) {
      writeFileSync(this.#file('memory', 'memory.limit_in_bytes'), String(Math.floor(limits.memoryBytes)));
      const withSwap = this.#file('memory', 'memory.memsw.limit_in_bytes');
      if (existsSync(withSwap)) writeFileSync(withSwap, String(Math.floor(limits.memoryBytes)));
    }
    if (limits.cpuMillis !== undefined) {
      writeFileSync(this.#file('cpu', 'cpu.cfs_period_us'), String(CPU_PERIOD));
      writeFileSync(this.#file('cpu', 'cpu.cfs_quota_us'), String(cpuQuota(limits.cpuMillis)));
    }
    if (limits.pidsLimit !== undefined) writeFileSync(this.#file('pids', 'pids.max'), String(limits.pidsLimit));
  }

  stats(): { cpuNanoseconds: bigint; memoryBytes: number } | undefined {
    if (!existsSync(this.directories[0] ?? '')) return undefined;
    const used = number(this.#file('memory', 'memory.usage_in_bytes'));
    const inactive = field(this.#file('memory', 'memory.stat'), 'total_inactive_file');
    return {
      cpuNanoseconds: number(this.#file('cpuacct', 'cpuacct.usage')),
      memoryBytes: Number(used > inactive ? used - inactive : 0n),
    };
  }

  outOfMemoryKills(): number {
    return Number(field(this.#file('memory', 'memory.oom_control'), 'oom_kill'));
  }
}

class GroupV2 extends DirectoryGroup {
  readonly directories: readonly string[];
  readonly view: ReadonlyMap<string, string>;
  readonly #path: string;

  constructor(root: string, id: string) {
    super();
    this.#path = join(root, id);
    this.directories = [this.#path];
    this.view = new Map([['/sys/fs/cgroup', this.#path]]);
  }

  limit(limits: Limits): void {
    const write = (name: string, value: string): void => writeFileSync(join(this.#path, name), value);
    if (limits.memoryBytes !== undefined) {
      write('memory.max', String(Math.floor(limits.memoryBytes)));
      if (existsSync(join(this.#path, 'memory.swap.max'))) write('memory.swap.max', '0');
    }
    if (limits.cpuMillis !== undefined) write('cpu.max', `${cpuQuota(limits.cpuMillis)} ${CPU_PERIOD}`);
    if (limits.pidsLimit !== undefined) write('pids.max', String(limits.pidsLimit));
  }

  stats(): { cpuNanoseconds: bigint; memoryBytes: number } | undefined {
    if (!existsSync(this.#path)) return undefined;
    const used = number(join(this.#path, 'memory.current'));
    const inactive = field(join(this.#path, 'memory.stat'), 'inactive_file');
    return {
      cpuNanoseconds: field(join(this.#path, 'cpu.stat'), 'usage_usec') * 1000n,
      memoryBytes: Number(used > inactive ? used - inactive : 0n),
    };
  }

  outOfMemoryKills(): number {
    return Number(field(join(this.#path, 'memory.events'), 'oom_kill'));
  }

  override kill(): void {
    try {
      writeFileSync(join(this.#path, 'cgroup.kill'), '1');
    } catch {
      super.kill();
    }
  }
}

const CONTROLLERS_V1 = ['memory', 'cpu', 'cpuacct', 'pids'] as const;

/** A directory that could be made, or undefined where the hierarchy is not ours to write. */
function make(parent: string, name: string): string | undefined {
  const path = join(parent, name);
  try {
    mkdirSync(path, { recursive: true });
    return path;
  } catch {
    return undefined;
  }
}

function list(root: string): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function removeRoots(roots: Iterable<string>): void {
  for (const root of roots) {
    try {
      rmdirSync(root);
    } catch {
      // Not empty, or gone: the next start looks again.
    }
  }
}

function hierarchyV2(mountPoint: string, name: string): Cgroups | undefined {
  const root = make(mountPoint, name);
  if (root === undefined) return undefined;
  const limits = new Set<LimitName>();
  for (const [limit, controller] of [
    ['memoryBytes', 'memory'],
    ['cpuMillis', 'cpu'],
    ['pidsLimit', 'pids'],
  ] as const) {
    try {
      for (const parent of [mountPoint, root]) writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
      limits.add(limit);
    } catch {
      // Not delegated to us.
    }
  }
  if (limits.size === 0) {
    removeRoots([root]);
    return undefined;
  }
  return {
    version: 2,
    limits,
    create: (id, wanted) => {
      mkdirSync(join(root, id), { recursive: true });
      const group = new GroupV2(root, id);
      group.limit(wanted);
      return group;
    },
    open: (id) => new GroupV2(root, id),
    list: () => list(root),
    removeRoot: () => removeRoots([root]),
  };
}

function hierarchyV1(mounts: ReadonlyMap<string, string>, name: string): Cgroups | undefined {
  const roots = new Map<string, string>();
  for (const controller of CONTROLLERS_V1) {
    const mountPoint = mounts.get(controller);
    const root = mountPoint === undefined ? undefined : make(mountPoint, name);
    if (root !== undefined) roots.set(controller, root);
  }
  if (roots.size === 0) return undefined;
  const limits = new Set<LimitName>();
  if (roots.has('memory')) limits.add('memoryBytes');
  if (roots.has('cpu')) limits.add('cpuMillis');
  if (roots.has('pids')) limits.add('pidsLimit');
  return {
    version: 1,
    limits,
    create: (id, wanted) => {
      for (const root of roots.values()) mkdirSync(join(root, id), { recursive: true });
      const group = new GroupV1(roots, id);
      group.limit(wanted);
      return group;
    },
    open: (id) => new GroupV1(roots, id),
    list: () => [...new Set([...roots.values()].flatMap(list))],
    removeRoot: () => removeRoots(roots.values()),
  };
}

/**
 * At the top of the hierarchy, as kubelet's `kubepods`: below Causeway's own group a service manager would end the pods together
 * with it. Undefined when there is none to write.
 */
export function findCgroups(name: string): Cgroups | undefined {
  const unified: string[] = [];
  const v1 = new Map<string, string>();
  for (const line of (read('/proc/self/mountinfo') ?? '').split('\n')) {
    const [before, after] = line.split(' - ');
    const mountPoint = before?.split(' ')[4];
    const [type, , superOptions] = after?.split(' ') ?? [];
    if (mountPoint === undefined) continue;
    if (type === 'cgroup2') unified.push(mountPoint);
    if (type !== 'cgroup') continue;
    for (const option of superOptions?.split(',') ?? []) v1.set(option, mountPoint);
  }
  for (const mountPoint of unified) {
    const found = hierarchyV2(mountPoint, name);
    if (found !== undefined) return found;
  }
  return hierarchyV1(v1, name);
}
