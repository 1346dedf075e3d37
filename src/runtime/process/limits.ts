/** Every bound of this runtime: number, unit, and what it stops. */

/** Bytes of a container's log before it is rotated (kubelet's `containerLogMaxSize`): a chatty container filling the disk. */
export const LOG_FILE_BYTES = 10 * 1024 * 1024;
/** Log files kept of a container, the current one included (kubelet's `containerLogMaxFiles`). */
export const LOG_FILES = 5;
/** Bytes of one log line before it is split with the tag `P` (CRI log format): an endless line held in memory. */
export const LOG_LINE_BYTES = 16 * 1024;

/** Bytes queued for one attached client before reading from the container pauses: a client that reads slowly. */
export const ATTACH_QUEUE_BYTES = 1024 * 1024;
/** Milliseconds that a client may pause a container before it is cut off: a client that stops reading, freezing the container. */
export const ATTACH_STALL_MS = 10_000;
/** Attached clients of one container at a time. */
export const ATTACHED_CLIENTS = 64;
/** Processes started by exec in one container that run at a time: a client that forks the node to death. */
export const EXECS_PER_CONTAINER = 128;

/** Milliseconds for a sandbox or a container to come up, before it is killed: kubelet's `--runtime-request-timeout`. */
export const START_DEADLINE_MS = 120_000;
/** Milliseconds for a container to be gone after SIGKILL, before `stopContainer` gives up. */
export const KILL_DEADLINE_MS = 10_000;
/** Milliseconds for a TCP connection inside a pod. */
export const DIAL_DEADLINE_MS = 10_000;
/** Milliseconds that a pod's dialer stays without a connection to make. */
export const DIALER_IDLE_MS = 30_000;

/** Mounts of one container. */
export const MOUNTS_PER_CONTAINER = 256;
/** Entries of a host directory that may be mirrored to add a mount point to it: each is a mount of its own. */
export const MIRRORED_ENTRIES = 2_000;
/** Bytes of environment and of arguments, each: `execve` takes 128 KiB a string and 2 MiB in all. */
export const ARGUMENT_BYTES = 1024 * 1024;
/** Symbolic links followed for one path, as the kernel has it (path_resolution(7)). */
export const SYMLINKS_PER_PATH = 40;

/** Bytes of `/dev/shm` of a pod, as containerd has it. */
export const SHM_BYTES = 64 * 1024 * 1024;
