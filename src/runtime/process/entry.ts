import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capabilitySet, setprivList } from '../capabilities.ts';
import type { Host } from './host.ts';
import type { ContainerRecord, ContainerUser, SandboxRecord } from './records.ts';
import { ENTER, environmentScript, FINAL_EXEC, FINAL_START, JOIN, WITH_PROC } from './scripts.ts';

/** How a process gets into a container: command lines, built here and nowhere else. */
export interface EntryContext {
  readonly host: Host;
  readonly sandbox: SandboxRecord;
  readonly container: ContainerRecord;
  readonly directory: string;
  /** File with the seccomp program; `/dev/null` when there is none to load. */
  readonly filterPath: string;
  readonly cgroupDirectories: readonly string[];
}

const PUMP = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './tty-pump.ts' : './tty-pump.js', import.meta.url),
);

export function sharesPidNamespace(sandbox: SandboxRecord): boolean {
  return sandbox.config.shareProcessNamespace && !sandbox.config.hostPID;
}

export function hasOwnPidNamespace(sandbox: SandboxRecord): boolean {
  return !sandbox.config.hostPID && !sandbox.config.shareProcessNamespace;
}

/** Empty for a pod on the host's network, which has the host's name too. */
export function ownHostname(sandbox: SandboxRecord): string {
  return sandbox.config.hostNetwork ? '' : sandbox.config.hostname;
}

export function hasOwnNetwork(host: Host, sandbox: SandboxRecord): boolean {
  return host.root && !sandbox.config.hostNetwork;
}

/** Unless a pod says otherwise, the default filter: what it stops, ordinary programs do not do. */
export function isFiltered(host: Host, container: ContainerRecord): boolean {
  const { seccomp, privileged } = container.config.security;
  return host.filter !== undefined && !privileged && seccomp !== 'Unconfined';
}

function userNamespace(host: Host): string[] {
  return host.root ? [] : ['--user', '--preserve-credentials'];
}

/** Down to the container's own user, groups and capabilities, for good. */
function dropPrivileges(context: EntryContext): string[] {
  const { host, container } = context;
  if (!host.root) return [];
  const { user, config } = container;
  const groups = user.groups.length > 0 ? [`--groups=${user.groups.join(',')}`] : ['--clear-groups'];
  const { addCapabilities, dropCapabilities, privileged } = config.security;
  const bounding = privileged
    ? []
    : [`--bounding-set=${setprivList(capabilitySet(addCapabilities, dropCapabilities))}`];
  return [
    host.tools.path('setpriv'),
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    ...groups,
    '--inh-caps=-all',
    '--ambient-caps=-all',
    ...bounding,
    '--no-new-privs',
    '--pdeathsig=KILL',
    '--',
  ];
}

function underTerminal(context: EntryContext, user: ContainerUser, command: readonly string[]): string[] {
  const { host, sandbox } = context;
  return [
    host.tools.path('nsenter'),
    ...['--target', String(sandbox.holder?.pid), '--mount', ...userNamespace(host), '--'],
    process.execPath,
    ...['--max-old-space-size=64', '--no-warnings', PUMP],
    ...[String(user.uid), String(user.gid), '80', '24'],
    ...command,
  ];
}

function finalStep(context: EntryContext, script: string, command: readonly string[], tty: boolean): string[] {
  const { host, sandbox, container } = context;
  const { viaEnv } = environmentScript(containerEnvironment(sandbox, container));
  const env = viaEnv.length > 0 ? [host.tools.path('env'), ...viaEnv] : [];
  const terminal = tty ? host.tools.path('setsid') : '';
  return [host.tools.path('sh'), '-c', script, 'sh', container.config.workingDir || '/', terminal, ...env, ...command];
}

/** The container's environment: what every Kubernetes container has, then what its spec says. */
export function containerEnvironment(sandbox: SandboxRecord, container: ContainerRecord): ReadonlyMap<string, string> {
  const variables = new Map<string, string>([
    ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    // The only place that the container may write to without a volume.
    ['HOME', '/tmp'],
  ]);
  variables.set('HOSTNAME', ownHostname(sandbox) || hostname());
  if (container.config.tty) variables.set('TERM', 'xterm');
  for (const { name, value } of container.config.env) variables.set(name, value);
  return variables;
}

/** What bubblewrap is told through a file, so that it does not stand in a command line that every user can read. */
export function bwrapArguments(context: EntryContext, view: readonly string[]): string[] {
  const { host, sandbox, container } = context;
  return [
    ...(hasOwnPidNamespace(sandbox) ? ['--unshare-pid', '--as-pid-1'] : []),
    ...(ownHostname(sandbox) === '' ? [] : ['--unshare-uts', '--hostname', ownHostname(sandbox)]),
    '--unshare-cgroup-try',
    ...(host.root ? [] : ['--unshare-user', '--uid', String(host.uid), '--gid', String(host.gid), '--cap-drop', 'ALL']),
    '--die-with-parent',
    ...['--info-fd', '6', '--block-fd', '7'],
    ...(isFiltered(host, container) ? ['--seccomp', '4'] : []),
    ...view,
  ];
}

function withProcOf({ host, directory, sandbox }: EntryContext): string[] {
  const proc = join(dirname(dirname(directory)), 'sandboxes', sandbox.id, 'proc');
  return [host.tools.path('unshare'), '--mount', '--', host.tools.path('sh'), '-c', WITH_PROC, 'proc', proc];
}

/** The command line that makes the container and becomes its first process. */
export function startCommand(context: EntryContext): string[] {
  const { host, sandbox, container } = context;
  const { command, args, tty } = container.config;
  const holder = String(sandbox.holder?.pid);
  const namespaces = [
    ...['--target', holder, '--mount'],
    ...(sandbox.config.hostIPC ? [] : ['--ipc']),
    ...(hasOwnNetwork(host, sandbox) ? ['--net'] : []),
    ...(sharesPidNamespace(sandbox) ? [`--pid=/proc/${holder}/ns/pid_for_children`] : []),
    // Under a terminal it is in that user namespace already, and none can be entered twice.
    ...(tty ? [] : userNamespace(host)),
  ];
  const enter = [
    ...[host.tools.path('sh'), '-c', ENTER, 'enter', context.directory, context.filterPath],
    ...[String(context.cgroupDirectories.length), ...context.cgroupDirectories],
    ...[host.tools.path('nsenter'), ...namespaces, '--'],
    ...(sharesPidNamespace(sandbox) ? withProcOf(context) : []),
    ...[host.tools.path('bwrap'), '--args', '5', '--'],
    ...dropPrivileges(context),
    ...finalStep(context, FINAL_START, [...command, ...args], tty),
  ];
  return tty ? underTerminal(context, container.user, enter) : enter;
}

/**
 * The command line that joins a running container. Bubblewrap in front only loads the filter: it builds nothing, and what follows
 * leaves its namespace for the container's.
 */
export function execCommand(context: EntryContext, command: readonly string[], tty: boolean): string[] {
  const { host, sandbox, container } = context;
  const nsenter = host.tools.path('nsenter');
  const filtered = isFiltered(host, container);
  // Under a terminal it is in the sandbox's user namespace already.
  const toUserNamespace = !host.root && !tty;
  const filter = filtered ? [host.tools.path('bwrap'), '--dev-bind', '/', '/', '--seccomp', '4', '--'] : [];
  const namespaces = [
    ...['--target', String(container.init?.pid), '--mount', '--cgroup', ...userNamespace(host)],
    ...(sandbox.config.hostIPC ? [] : ['--ipc']),
    ...(ownHostname(sandbox) === '' ? [] : ['--uts']),
    ...(hasOwnNetwork(host, sandbox) ? ['--net'] : []),
    ...(sandbox.config.hostPID ? [] : ['--pid']),
  ];
  const join = [
    ...[host.tools.path('sh'), '-c', JOIN, 'join', context.directory, context.filterPath],
    ...[String(context.cgroupDirectories.length), ...context.cgroupDirectories],
    ...(toUserNamespace
      ? [nsenter, '--target', String(sandbox.holder?.pid), '--mount', ...userNamespace(host), '--']
      : []),
    ...filter,
    ...(filtered || host.root ? [] : [host.tools.path('setpriv'), '--no-new-privs', '--']),
    ...[nsenter, ...namespaces, '--'],
    ...dropPrivileges(context),
    ...finalStep(context, FINAL_EXEC, command, tty),
  ];
  return tty ? underTerminal(context, container.user, join) : join;
}

/** Directories of the programs that run inside a container with rights to drop. */
export function programDirectories(host: Host): string[] {
  const names = host.root ? (['sh', 'setpriv', 'env'] as const) : (['sh', 'env'] as const);
  return [...new Set(names.map((name) => dirname(host.tools.path(name))))];
}
