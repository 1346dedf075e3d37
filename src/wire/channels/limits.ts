/** Limits of the channel subprotocols. */

/** Bytes of one resize message, or of an unfinished one on a SPDY resize stream: `{"Width":65535,"Height":65535}` has 31. Stops an endless JSON text. */
export const MAX_RESIZE_BYTES = 1024;

/** Columns or rows: the terminal's own type has 16 bits (`struct winsize`). */
export const MAX_TERMINAL_SIZE = 65_535;

/** Ports of one WebSocket port-forward request; each takes two of the 255 channel numbers. */
export const MAX_PORTS = 127;
