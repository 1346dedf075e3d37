import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import type { ContainerConfig, PodSandboxConfig } from '../runtime.ts';
import type { Container } from './container.ts';
import { hasOwnNetwork, programDirectories, sharesPidNamespace } from './entry.ts';
import { canonical } from './hidden-paths.ts';
import { ARGUMENT_BYTES, MOUNTS_PER_CONTAINER } from './limits.ts';
import { isWithin, readMountTable } from './mount-table.ts';
import { libraryDirectories } from './name-service.ts';
import { type ContainerUser, type SandboxRecord, sandboxDirectory } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { buildView, type View, type ViewMount } from './view.ts';

/** The user of a pod that names none: `nobody`. */
const NOBODY = 65534;

/** Whom a container runs as: without root whoever runs Causeway. */
export function containerUser(
  { host }: RuntimeContext,
  sandbox: PodSandboxConfig,
  { name, security }: ContainerConfig,
): ContainerUser {
  if (!host.root) return { uid: host.uid, gid: host.gid, groups: [] };
  const uid = security.runAsUser ?? (security.privileged ? 0 : NOBODY);
  if (security.runAsNonRoot && uid === 0)
    throw new CausewayError('Invalid', `container "${name}" has runAsNonRoot and would run as root`);
  // Not group 0, as in an image: this one would be the machine's own.
  const gid = security.runAsGroup ?? (uid === 0 ? 0 : NOBODY);
  const groups = new Set([...sandbox.supplementalGroups, ...(sandbox.fsGroup === undefined ? [] : [sandbox.fsGroup])]);
  return { uid, gid, groups: [...groups] };
}

/** What a container will see. Throws `Invalid` for what cannot be honoured. */
export function containerView(context: RuntimeContext, masks: readonly string[], container: Container): View {
  const { record, sandbox, directory } = container;
  const { config } = record;
  const sandboxFile = (name: string): string => join(sandbox.directory, name);
  const pid = sandbox.record.holder?.pid;
  const files = ['hosts', 'hostname', 'resolv.conf'].map((name): [string, string] => [
    `/etc/${name}`,
    sandboxFile(name),
  ]);
  if (context.nameServices !== undefined) files.push(['/etc/nsswitch.conf', context.nameServices]);
  const scratch = new Map([['/tmp', join(directory, 'tmp')]]);
  if (statSync('/var/tmp', { throwIfNoEntry: false })?.isDirectory() === true)
    scratch.set('/var/tmp', join(directory, 'vartmp'));
  return buildView({
    table: readMountTable(pid ?? 'self'),
    mounts: viewMounts(context, sandbox.record.config, config),
    masks: masks,
    hidden: context.hidden,
    exposed: [dirname(realpathSync(process.execPath))],
    files: new Map(files.filter(([path]) => !config.mounts.some((mount) => mount.containerPath === path))),
    scratch: new Map([...scratch].filter(([path]) => !config.mounts.some((mount) => mount.containerPath === path))),
    readOnlyRoot: config.security.readOnlyRootFilesystem,
    privileged: config.security.privileged,
    workingDir: config.workingDir || '/',
    proc: procFor(context, sandbox.record),
    sys: hasOwnNetwork(context.host, sandbox.record) ? sandboxFile('sys') : '/sys',
    shm: sandbox.record.config.hostIPC && existsSync('/dev/shm') ? '/dev/shm' : sandboxFile('shm'),
    cgroups: context.host.cgroups?.open(record.id).view ?? new Map(),
    mqueue: context.host.mqueue,
    programs: [...programDirectories(context.host), ...libraryDirectories()],
  });
}

function procFor(context: RuntimeContext, sandbox: SandboxRecord): string | undefined {
  if (sandbox.config.hostPID) return '/proc';
  return sharesPidNamespace(sandbox) ? join(sandboxDirectory(context.stateDirectory, sandbox.id), 'proc') : undefined;
}

/** A pod's mounts by their real sources. A source in a hidden place must be one of the pod's own volumes. */
function viewMounts(context: RuntimeContext, sandbox: PodSandboxConfig, config: ContainerConfig): ViewMount[] {
  if (config.mounts.length > MOUNTS_PER_CONTAINER)
    throw new CausewayError('Invalid', `container "${config.name}" has more than ${MOUNTS_PER_CONTAINER} mounts`);
  const own = context.podsDirectory === undefined ? [] : canonical([join(context.podsDirectory, sandbox.podUid)]);
  return config.mounts.map(({ containerPath, hostPath, readOnly }) => {
    if (!isAbsolute(containerPath) || containerPath.includes('\0'))
      throw new CausewayError('Invalid', `mount path ${JSON.stringify(containerPath)} must be absolute`);
    const [source] = canonical([hostPath]);
    if (source === undefined)
      throw new CausewayError('Invalid', `the source of mount path ${containerPath} does not exist on the host`);
    const secret = context.hidden.some((hidden) => isWithin(source, hidden));
    if (secret && !own.some((directory) => isWithin(source, directory)))
      throw new CausewayError('Invalid', `the source of mount path ${containerPath} is not for pods`);
    return { source, containerPath, readOnly };
  });
}

/** Throws `Invalid` for a command, environment or working directory that cannot be started at all. */
export function checkCommand(config: ContainerConfig): void {
  const words = [...config.command, ...config.args];
  if (config.command.length === 0 && config.args.length === 0)
    throw new CausewayError(
      'Invalid',
      `container "${config.name}" has no command: this runtime does not use images, so the pod must say what to run`,
    );
  const texts = [...words, config.workingDir, ...config.env.flatMap(({ name, value }) => [name, value])];
  if (texts.some((text) => text.includes('\0')))
    throw new CausewayError('Invalid', `container "${config.name}" has a NUL character in its command or environment`);
  if (config.workingDir !== '' && !isAbsolute(config.workingDir))
    throw new CausewayError('Invalid', `container "${config.name}" has a working directory that is not absolute`);
  if (config.env.some(({ name }) => name === '' || name.includes('=')))
    throw new CausewayError('Invalid', `container "${config.name}" has an environment variable without a valid name`);
  const bytes = (list: readonly string[]): number => list.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
  if (bytes(words) > ARGUMENT_BYTES || bytes(config.env.map(({ name, value }) => `${name}=${value}`)) > ARGUMENT_BYTES)
    throw new CausewayError(
      'Invalid',
      `container "${config.name}" has more than ${ARGUMENT_BYTES} bytes of command or environment`,
    );
}
