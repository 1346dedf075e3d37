/** Limits of storage: number, unit, and what each stops. Checked before anything is written or allocated. */

/**
 * Bytes of one object. Above the 3 MiB that a request body may have, because defaults and `managedFields` come to it. Stops one writer from
 * filling the memory of every watcher with a few objects.
 */
export const MAX_VALUE_BYTES = 8 * 1024 * 1024;

/** Operations of one transaction. Stops a transaction from holding up all others. */
export const MAX_TXN_OPS = 128;

/** Transactions that wait for a commit. Stops a slow or full disk from filling memory with requests. */
export const MAX_PENDING_TXNS = 8_192;

/** Transactions, and bytes, that share one commit: bounds how long the last of them waits. */
export const MAX_COMMIT_TXNS = 256;
export const MAX_COMMIT_BYTES = 8 * 1024 * 1024;

/** Bytes of changes that the journal holds and the tables do not: bounds memory, the journal's files and what a start reads again. */
export const MAX_RECENT_BYTES = 8 * 1024 * 1024;

/** Bytes that a commit leaves free on the disk. Others write there too, and a disk that is full to the last byte breaks LMDB. */
export const COMMIT_MARGIN_BYTES = 4 * 1024 * 1024;

/** Changes, and bytes of them, that wait for one watcher. Stops a watcher that does not read from filling memory. */
export const MAX_WATCH_EVENTS = 16_384;
export const MAX_WATCH_BYTES = 64 * 1024 * 1024;

/** Milliseconds a commit may take. A disk that answers nothing must not keep requests for ever. */
export const MAX_COMMIT_MS = 60_000;
