/** A handshake that is not done after this long is ended: slow handshakes that hold memory and sockets. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Handshakes under way at once: a flood of connections that never finish theirs. */
export const MAX_PENDING_HANDSHAKES = 1024;

/** When that many are pending, the oldest gives way if it is at least this old: an honest handshake takes a few milliseconds. */
export const PENDING_GRACE_MS = 1000;

/** Bytes of a certificate request's PEM: one that takes long to read. An RSA key of 8192 bits and a hundred names fit. */
export const MAX_REQUEST_BYTES = 32 * 1024;

/** What is shorter can be factored. */
export const MIN_RSA_BITS = 2048;

/** What is longer only costs every peer time at every handshake. */
export const MAX_RSA_BITS = 8192;
