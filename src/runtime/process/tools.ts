import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The programs that this runtime starts, and the package each is in on most distributions. */
const PACKAGES = {
  sh: 'dash or bash',
  mkfifo: 'coreutils',
  sleep: 'coreutils',
  env: 'coreutils',
  mount: 'util-linux (mount)',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  setsid: 'util-linux',
  bwrap: 'bubblewrap',
  ip: 'iproute2',
  nft: 'nftables',
} as const;

export type ToolName = keyof typeof PACKAGES;

const ALWAYS: readonly ToolName[] = [
  'sh',
  'mkfifo',
  'sleep',
  'env',
  'mount',
  'unshare',
  'nsenter',
  'setpriv',
  'setsid',
  'bwrap',
];
const AS_ROOT: readonly ToolName[] = [...ALWAYS, 'ip'];
const OPTIONAL: readonly ToolName[] = ['nft'];

/** Searched after what is asked for: service managers often leave the system directories out. */
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export interface Tools {
  /** Absolute path of a tool that is there. Throws for an optional one that is not. */
  path(name: ToolName): string;
  has(name: ToolName): boolean;
  /** What is needed and not there, as `bwrap (bubblewrap)`. */
  readonly missing: readonly string[];
}

function find(name: string, directories: readonly string[]): string | undefined {
  for (const directory of directories) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      if (!statSync(path).isFile()) continue;
      // A symbolic link to a program that looks at its own name (busybox) must be called by that name.
      return realpathSync(path).endsWith('/busybox') ? path : join(realpathSync(directory), name);
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}

/** Looks once. `searchPath` is in the form of `PATH`; without it the environment's own. */
export function findTools(asRoot: boolean, searchPath: string | undefined): Tools {
  const given = (searchPath ?? process.env['PATH'] ?? '').split(delimiter).filter((entry) => entry.startsWith('/'));
  const directories = searchPath === undefined ? [...given, ...SYSTEM_PATH] : given;
  const found = new Map<ToolName, string>();
  const missing: string[] = [];
  const needed = asRoot ? AS_ROOT : ALWAYS;
  for (const name of [...needed, ...OPTIONAL]) {
    const path = find(name, directories);
    if (path !== undefined) found.set(name, path);
    else if (needed.includes(name)) missing.push(`${name} (${PACKAGES[name]})`);
  }
  return {
    missing,
    has: (name) => found.has(name),
    path: (name) => {
      const path = found.get(name);
      if (path === undefined) throw new Error(`${name} is not installed`);
      return path;
    },
  };
}
