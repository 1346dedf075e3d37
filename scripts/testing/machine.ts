import { execFileSync } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * What a cluster makes in the kernel and must take away again, as lines that say what it is: pods' network namespaces, interfaces,
 * packet rules, control groups, mounts, containers, and whether the machine forwards packets.
 */
export function kernelState(): Set<string> {
  return new Set([
    ...folder('/run/netns')
      .filter((name) => name.startsWith('causeway'))
      .map((name) => `network namespace ${name}`),
    ...folder('/sys/class/net')
      .filter((name) => name.startsWith('cw'))
      .map((name) => `network interface ${name}`),
    ...tables().map((table) => `nftables table ${table}`),
    ...globSync(['/sys/fs/cgroup/causeway*', '/sys/fs/cgroup/*/causeway*', '/sys/fs/cgroup/*/*/causeway*']).map(
      (path) => `control group ${path}`,
    ),
    ...mounts()
      .filter((path) => basename(path).startsWith('causeway') || path.includes('/causeway-'))
      .map((path) => `mount ${path}`),
    ...containers().map((directory) => `processes of a container in ${directory}`),
    `ip_forward = ${text('/proc/sys/net/ipv4/ip_forward').trim()}`,
  ]);
}

/** The data of runtimes whose containers run now: each process of one says where it is kept (`CAUSEWAY_STATE`). */
function containers(): string[] {
  return folder('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => /(?:^|\0)CAUSEWAY_STATE=([^\0]+)/.exec(text(`/proc/${pid}/environ`))?.[1] ?? []);
}

/** Where something is mounted, in this process's view. */
export function mounts(): string[] {
  return text('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path !== '');
}

function tables(): string[] {
  try {
    // Only root may list them, and only root can have made one.
    const listed = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return [...listed.matchAll(/^table (\S+ causeway\S*)/gm)].map((match) => match[1] ?? '');
  } catch {
    return [];
  }
}

function folder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
