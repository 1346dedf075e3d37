/** A control plane, or a node of one. */
export type UnitRole = 'server' | 'node';

export interface UnitOptions {
  /** What starts Causeway: absolute paths, without the command. */
  readonly program: readonly string[];
  /** The flags of `causeway server` or `causeway node`. No secret: anybody on the machine may read a unit. */
  readonly flags: readonly string[];
  /** Absolute. */
  readonly dataDirectory: string;
}

/** The user that the control plane runs as. */
export const SERVER_USER = 'causeway';

export function unitName(role: UnitRole): string {
  return `causeway-${role}.service`;
}

/** A control plane needs no power over its machine, and gets none. */
const SERVER_SERVICE: readonly string[] = [
  `User=${SERVER_USER}`,
  `Group=${SERVER_USER}`,
  'KillMode=mixed',
  'TimeoutStopSec=30',
  'CapabilityBoundingSet=',
  'AmbientCapabilities=',
  'NoNewPrivileges=yes',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'PrivateIPC=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectProc=invisible',
  // Addresses of the machine are asked of the kernel by netlink.
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'RemoveIPC=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallFilter=~@privileged @resources',
  'SystemCallErrorNumber=EPERM',
];

/**
 * A node makes namespaces, mounts and cgroups for its pods: what would take these away cannot be set, nor what would give this service a mount
 * namespace of its own, in which its pods' mounts would end. When the agent dies its pods go on; when it is stopped, it ends them itself.
 */
const NODE_SERVICE: readonly string[] = [
  'KillMode=process',
  'TimeoutStopSec=120',
  'Delegate=yes',
  'TasksMax=infinity',
  'OOMScoreAdjust=-999',
  'RestrictRealtime=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
  'CapabilityBoundingSet=~CAP_SYS_BOOT CAP_SYS_TIME CAP_WAKE_ALARM CAP_SYS_TTY_CONFIG CAP_BLOCK_SUSPEND CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN CAP_MAC_OVERRIDE',
];

/** A systemd unit, as restricted as what it runs allows. */
export function unitFile(role: UnitRole, { program, flags, dataDirectory }: UnitOptions): string {
  const command = [...program, role, '--data-dir', dataDirectory, ...flags];
  return `${[
    '[Unit]',
    `Description=Causeway ${role === 'server' ? 'control plane' : 'node'}`,
    'Wants=network-online.target',
    'After=network-online.target',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${command.map(quoted).join(' ')}`,
    'Restart=always',
    'RestartSec=2',
    'UMask=0077',
    'LimitNOFILE=1048576',
    'LimitCORE=0',
    ...(role === 'server' ? [...SERVER_SERVICE, `ReadWritePaths=${quoted(dataDirectory)}`] : NODE_SERVICE),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ].join('\n')}\n`;
}

/** One word of a command line (systemd.service(5), "COMMAND LINES"): nothing in it is expanded. */
function quoted(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$').replaceAll('%', '%%');
  return /^[\w./:=,@+-]+$/.test(word) ? word : `"${escaped.replaceAll('\n', '\\n')}"`;
}
