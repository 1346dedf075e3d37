/** Top directories that a container image has empty; on a host they hold people's and other machines' files. */
export const EMPTY_TOP = new Set(['root', 'home', 'mnt', 'media', 'boot']);
export const OWN_TOP = new Set(['proc', 'sys', 'dev', 'tmp', 'run', 'lost+found']);
export const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
/** What `/dev` has of its own, and no mount may take the place of. */
export const DEVICE_NAMES = [...DEVICES, 'pts', 'ptmx', 'mqueue', 'fd', 'stdin', 'stdout', 'stderr'];

/** As containerd masks them: what tells of the whole machine or steers it. */
export const MASKED_KERNEL_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/key-users',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
export const READ_ONLY_KERNEL_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/**
 * Mounts at, above or below these are refused. The programs that enter a container on exec run from the container's own view of the
 * host's system directories, with privileges to drop: a volume over them would run as root.
 */
export const PROTECTED = [
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/usr/bin',
  '/usr/sbin',
  '/usr/lib',
  '/usr/lib32',
  '/usr/lib64',
  '/usr/libx32',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/local/lib',
  '/usr/local/lib64',
  '/nix',
  '/gnu',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/ld.so.preload',
  '/etc/nsswitch.conf',
  '/etc/passwd',
  '/etc/group',
  '/proc',
  '/sys',
];
