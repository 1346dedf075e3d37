/** Every bound of this runtime: number, unit, and what it stops. */

/** Bytes of one answer (the kubelet's own limit): a runtime that answers without end. */
export const ANSWER_BYTES = 16 * 1024 * 1024;
/** Milliseconds for a connection to the socket: one that nobody accepts from. */
export const CONNECT_MS = 5_000;
/** Milliseconds for what the runtime answers of itself: a runtime that hangs. */
export const ASK_DEADLINE_MS = 10_000;
/** Milliseconds for a sandbox or a container to be made, started or removed (kubelet's `--runtime-request-timeout`). */
export const CHANGE_DEADLINE_MS = 120_000;
/** Milliseconds that a call has beyond the grace period that it was given. */
export const STOP_MARGIN_MS = 30_000;
/** Milliseconds without an answer of a pull before it is given up: a large image over a slow line takes its time. */
export const PULL_DEADLINE_MS = 30 * 60_000;
/** Milliseconds that a call which was called off still gets to come to its end, so that what it made can be taken away. */
export const CALLED_OFF_MS = 10_000;

/** Milliseconds between two looks at all containers, where the runtime tells of changes, and where it does not. */
export const RELIST_TOLD_MS = 5_000;
export const RELIST_UNTOLD_MS = 1_000;
/** Milliseconds after news at which is looked again: the runtime tells of an end before it shows it. */
export const LOOK_AGAIN_MS = [0, 25, 100, 400] as const;
/** Milliseconds between tries to reach a runtime that is gone: the first and the longest. */
export const RECONNECT_MS = { first: 100, longest: 5_000 } as const;

/** Streams of one exec or attach, or of port-forward, and milliseconds for the runtime to open them. */
export const STREAM_OPEN_MS = 10_000;
/** Bytes kept for a client of attach that reads slowly, and milliseconds until one that reads nothing is cut off: it would hold up the log. */
export const ATTACH_QUEUE_BYTES = 1024 * 1024;
export const ATTACH_STALL_MS = 10_000;

/** Bytes of a log file before it is rotated, and files kept of a container, the current one included (kubelet's defaults). */
export const LOG_FILE_BYTES = 10 * 1024 * 1024;
export const LOG_FILES = 5;
/** Milliseconds between two looks at the sizes of logs. */
export const LOG_LOOK_MS = 2_000;
