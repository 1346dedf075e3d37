/** A handshake that is not done after this long is ended: slow handshakes that hold memory and sockets. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Handshakes under way at once: a flood of connections that never finish theirs. */
export const MAX_PENDING_HANDSHAKES = 1024;

/** When that many are pending, the oldest gives way if it is at least this old: an honest handshake takes a few milliseconds. */
export const PENDING_GRACE_MS = 1000;
