/** Linux capabilities by Kubernetes' names (no `CAP_`), in the order of linux/capability.h. */
const NAMES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
] as const;

/**
 * containerd's default set without MKNOD: the image is the host's own file system and a volume lies on it, so that a device node made
 * there would be a node on the host.
 */
const DEFAULT = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
];

const KNOWN: ReadonlySet<string> = new Set(NAMES);

function plain(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith('CAP_') ? upper.slice(4) : upper;
}

/** Names among `names` that Linux does not have. */
export function unknownCapabilities(names: readonly string[]): string[] {
  return names.filter((name) => plain(name) !== 'ALL' && !KNOWN.has(plain(name)));
}

/**
 * The capabilities that a container's root may hold: the default set, changed as containerd changes it. `ALL` applies first, so
 * `drop: [ALL], add: [CHOWN]` leaves CHOWN, and `add: [ALL], drop: [CHOWN]` leaves all but CHOWN.
 */
export function capabilitySet(add: readonly string[], drop: readonly string[]): ReadonlySet<string> {
  const added = add.map(plain);
  const dropped = drop.map(plain);
  const set = new Set<string>(dropped.includes('ALL') ? [] : DEFAULT);
  if (added.includes('ALL')) for (const name of NAMES) set.add(name);
  for (const name of added) if (KNOWN.has(name)) set.add(name);
  for (const name of dropped) set.delete(name);
  return set;
}

export const ALL_CAPABILITIES: ReadonlySet<string> = new Set(NAMES);

/** The list as setpriv(1) takes it for a bounding set. */
export function setprivList(capabilities: ReadonlySet<string>): string {
  return ['-all', ...[...capabilities].map((name) => `+${name.toLowerCase()}`)].join(',');
}
