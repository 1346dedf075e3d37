/** Limits of the kubelet's HTTPS endpoint. */

/** Bytes of a request's head: an exec's command line is in its query. */
export const MAX_HEADER_BYTES = 256 * 1024;

/** A request's head must be complete after this time. Stops slow headers. */
export const HEADERS_TIMEOUT_MS = 10_000;

/** A request must be complete after this time; no route takes a body. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** An idle connection is closed after this time. */
export const KEEP_ALIVE_TIMEOUT_MS = 90_000;

/** Exec, attach and port-forward sessions at once. Stops one client from using up the node's descriptors. */
export const MAX_STREAMING_SESSIONS = 1000;

/** Followed and plain log requests at once. */
export const MAX_LOG_REQUESTS = 1000;
