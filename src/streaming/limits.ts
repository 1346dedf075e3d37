/** Limits of streaming sessions. All per connection unless they say otherwise. */

/** How long a client may take to open the streams that its request announced (Kubernetes' own number). Stops half-open sessions that hold memory. */
export const STREAM_CREATION_TIMEOUT_MS = 30_000;

/** A session without traffic ends (Kubernetes' `streamingConnectionIdleTimeout`). Pings do not count. */
export const IDLE_TIMEOUT_MS = 4 * 60 * 60 * 1000;

/** How often an open session is pinged, so that a peer that vanished is noticed by the failing write and NATs keep their state. */
export const PING_INTERVAL_MS = 30_000;

/** After a session is over: how long its peer may take to close, while what it still sends is discarded. Cutting it off at once would lose output. */
export const LINGER_MS = 10_000;

/** Bytes that may wait on the way out before writers are held back. Bounds memory for a peer that reads slowly. */
export const OUTPUT_HIGH_WATER_BYTES = 512 * 1024;

/** Bytes of answers (pings, resets, replies) that may wait on the way out before reading stops. Stops a ping flood from a peer that never reads. */
export const MAX_WAITING_ANSWER_BYTES = 128 * 1024;

/** Received bytes that may wait for one stream's consumer before reading from the connection stops. */
export const STREAM_BUFFER_BYTES = 512 * 1024;

/** The window of each stream, for SPDY peers that keep windows: less than `STREAM_BUFFER_BYTES`, so that one stream never stops the others. */
export const ANNOUNCED_WINDOW_BYTES = STREAM_BUFFER_BYTES / 2;

/** Received bytes that may wait for all consumers together before reading from the connection stops. */
export const CONNECTION_BUFFER_BYTES = 8 * 1024 * 1024;

/** Streams open at once in an exec or attach session: 5 are defined. */
export const MAX_REMOTE_COMMAND_STREAMS = 10;

/** Streams open at once in a port-forward session: two for each of 1,000 connections. */
export const MAX_PORT_FORWARD_STREAMS = 2000;

/** Resets that a peer may send in one second. Stops a rapid-reset flood, in which streams cost the peer nothing and us a handler each. */
export const MAX_RESETS_PER_SECOND = 5000;

/** Frames that carry nothing, in a row, without any that does. Stops a flood that keeps us busy for 8 bytes a frame. */
export const MAX_EMPTY_FRAMES = 10_000;

/** Messages of the error stream that we send are cut to this many characters. */
export const MAX_ERROR_MESSAGE = 4096;

/** When the client of an exec went away: how long the process may go on, with its stdin at its end, before it is killed. */
export const DISCONNECT_GRACE_MS = 10_000;
