import { join } from 'node:path';
import type { ContainerConfig, ContainerSecurity, PodSandboxConfig } from '../runtime.ts';
import { type containerConfig, profileType, propagation } from './cri-messages.ts';
import type { Input } from './grpc/message.ts';
import { containerAnnotations } from './known-config.ts';
import { namespaceOptions, podGroups } from './sandbox-request.ts';
import { criSignal } from './stop-signals.ts';

/** Of `cpu.cfs_period_us`, as the kubelet has it. */
const CPU_PERIOD_US = 100_000;
/** Below it the kernel takes no quota. */
const MIN_CPU_QUOTA_US = 1_000;
const MIN_CPU_SHARES = 2;
const SHARES_PER_CPU = 1024;
/** Who asks for nothing is killed first when the machine has no memory left. */
const OOM_SCORE_ADJ = 1000;

/** What of `/proc` and `/sys` nobody sees in a container, and what nobody writes (k8s.io/kubernetes, pkg/securitycontext). */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Where a container's log is, in its pod's log directory. */
export function logPathOf({ name, attempt }: Pick<ContainerConfig, 'name' | 'attempt'>): string {
  return join(name, `${attempt}.log`);
}

export interface RequestInputs {
  /** Becomes `/etc/hosts`. */
  readonly hostsFile: string | undefined;
  /** Where `Localhost` profiles are. */
  readonly seccompDirectory: string;
  /** Whom the image runs as; a group alone needs a user beside it. */
  readonly imageUser: ImageUser;
}

export interface ImageUser {
  readonly uid: number | undefined;
  readonly username: string;
}

/** A container as CRI has it. */
export function containerRequest(
  sandbox: PodSandboxConfig,
  config: ContainerConfig,
  { hostsFile, seccompDirectory, imageUser }: RequestInputs,
): Input<typeof containerConfig> {
  const ownHosts = config.mounts.some(({ containerPath }) => containerPath === '/etc/hosts');
  const hosts = hostsFile === undefined || ownHosts ? [] : [{ containerPath: '/etc/hosts', hostPath: hostsFile }];
  return {
    metadata: { name: config.name, attempt: config.attempt },
    image: { image: config.imageRef ?? config.image, userSpecifiedImage: config.image },
    command: config.command,
    args: config.args,
    workingDir: config.workingDir,
    envs: config.env.map(({ name, value }) => ({ key: name, value })),
    mounts: [
      ...config.mounts.map(({ containerPath, hostPath, readOnly, propagation: mode }) => ({
        containerPath,
        hostPath,
        readonly: readOnly,
        propagation: propagation[mode ?? 'None'],
      })),
      ...hosts,
    ],
    labels: config.labels,
    annotations: containerAnnotations(config),
    logPath: logPathOf(config),
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    linux: {
      resources: resourcesOf(config.resources),
      securityContext: securityOf(sandbox, config.security, seccompDirectory, imageUser),
    },
    stopSignal: config.stopSignal === undefined ? 0 : criSignal(config.stopSignal),
  };
}

/** As the kubelet counts them: a thousandth of a processor is 1.024 shares, and a limit is a part of each period. */
function resourcesOf({
  cpuMillis,
  cpuRequestMillis,
  memoryBytes,
  pidsLimit,
  oomScoreAdj,
}: ContainerConfig['resources']) {
  const asked = cpuRequestMillis ?? cpuMillis ?? 0;
  return {
    cpuPeriod: CPU_PERIOD_US,
    cpuQuota: cpuMillis === undefined ? 0 : Math.max(MIN_CPU_QUOTA_US, Math.floor((cpuMillis * CPU_PERIOD_US) / 1000)),
    cpuShares: Math.max(MIN_CPU_SHARES, Math.floor((asked * SHARES_PER_CPU) / 1000)),
    memoryLimitInBytes: memoryBytes,
    oomScoreAdj: oomScoreAdj ?? OOM_SCORE_ADJ,
    unified: pidsLimit === undefined ? {} : { 'pids.max': String(pidsLimit) },
  };
}

function securityOf(
  sandbox: PodSandboxConfig,
  security: ContainerSecurity,
  seccompDirectory: string,
  image: ImageUser,
) {
  // The image's own user comes with its group; beside another group it must be said.
  const own = security.runAsUser === undefined && security.runAsGroup !== undefined;
  const user = security.runAsUser ?? (own ? image.uid : undefined);
  const open = security.privileged || security.unmaskedProc === true;
  return {
    capabilities: { add: security.addCapabilities.map(criName), drop: security.dropCapabilities.map(criName) },
    privileged: security.privileged,
    namespaceOptions: namespaceOptions(sandbox),
    runAsUser: user === undefined ? undefined : { value: user },
    runAsUsername: own && user === undefined ? image.username : '',
    runAsGroup: security.runAsGroup === undefined ? undefined : { value: security.runAsGroup },
    readonlyRootfs: security.readOnlyRootFilesystem,
    supplementalGroups: podGroups(sandbox),
    noNewPrivs: !security.allowPrivilegeEscalation,
    maskedPaths: open ? [] : MASKED_PATHS,
    readonlyPaths: open ? [] : READONLY_PATHS,
    seccomp: seccompOf(security, seccompDirectory),
  };
}

/** CRI takes names without `CAP_`. */
function criName(capability: string): string {
  return capability.replace(/^CAP_/, '');
}

/** Where a pod says nothing it gets the runtime's filter (kubelet's `--seccomp-default`). */
function seccompOf({ seccomp, privileged }: ContainerSecurity, directory: string) {
  if (privileged || seccomp === 'Unconfined') return { profileType: profileType.unconfined };
  const profile = localhostProfile(seccomp);
  if (profile === undefined) return { profileType: profileType.runtimeDefault };
  return { profileType: profileType.localhost, localhostRef: join(directory, profile) };
}

/** `mine.json` of `Localhost/mine.json`. */
export function localhostProfile(seccomp: string | undefined): string | undefined {
  return seccomp?.startsWith('Localhost/') === true ? seccomp.slice('Localhost/'.length) : undefined;
}
