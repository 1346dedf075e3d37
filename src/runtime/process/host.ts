import { readFileSync } from 'node:fs';
import type { Log } from '../../lib/log.ts';
import { type Cgroups, findCgroups } from './cgroups.ts';
import { runTool } from './run-tool.ts';
import { runtimeDefaultFilter } from './seccomp.ts';
import { findTools, type Tools } from './tools.ts';

/** What this machine and this user allow; found once, at start. */
export interface Host {
  readonly tools: Tools;
  /** With root a pod has a network, users and limits of its own; without, everything is the user's own and the host's. */
  readonly root: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly cgroups: Cgroups | undefined;
  readonly filter: Buffer | undefined;
  readonly mqueue: boolean;
  /** Why no sandbox can be made here; undefined when one can. Without a sandbox no pod is started: it would see every key. */
  readonly obstacle: string | undefined;
}

function hasMqueue(): boolean {
  try {
    return /^nodev\tmqueue$/m.test(readFileSync('/proc/filesystems', 'utf8'));
  } catch {
    return false;
  }
}

/** Makes a sandbox in earnest, as small as it gets. */
async function probe(tools: Tools, root: boolean): Promise<string | undefined> {
  const inside = [tools.path('bwrap'), '--ro-bind', '/', '/', '--proc', '/proc', '--unshare-pid', '--as-pid-1'];
  const namespaces = root
    ? ['--mount', '--ipc', '--net', '--propagation', 'slave']
    : ['--user', '--map-root-user', '--mount', '--ipc', '--propagation', 'slave'];
  const user = root ? [] : ['--unshare-user', '--uid', '1', '--gid', '1'];
  try {
    await runTool(tools.path('unshare'), [...namespaces, ...inside, ...user, '--', tools.path('sh'), '-c', ':']);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return root
      ? `namespaces cannot be made: ${why}`
      : `unprivileged user namespaces do not work here: ${why} (sysctls kernel.unprivileged_userns_clone, user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns decide; or run as root)`;
  }
}

export async function inspectHost(options: {
  toolPath: string | undefined;
  cgroupName: string;
  log: Log;
}): Promise<Host> {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const root = uid === 0;
  const tools = findTools(root, options.toolPath);
  let obstacle: string | undefined;
  if (tools.missing.length > 0) obstacle = `not installed: ${tools.missing.join(', ')}`;
  else obstacle = await probe(tools, root);
  const cgroups = root && obstacle === undefined ? findCgroups(options.cgroupName) : undefined;
  if (root && cgroups === undefined)
    options.log.warn('no writable cgroup hierarchy: containers with limits are refused');
  return {
    tools,
    root,
    uid,
    gid,
    cgroups,
    filter: runtimeDefaultFilter(process.arch),
    mqueue: root && hasMqueue(),
    obstacle,
  };
}
