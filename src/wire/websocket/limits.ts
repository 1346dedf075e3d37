/** Limits of the WebSocket codec. */

/**
 * Bytes that one frame may declare. Payloads are handled in pieces, so this bounds no buffer: it refuses lengths that only a lie explains, and keeps
 * arithmetic far from 2^53. Kubernetes' clients send 32 KiB; some send one string of many megabytes.
 */
export const MAX_FRAME_BYTES = 2 ** 30;

/** Bytes of a control frame's payload (RFC 6455 §5.5). */
export const MAX_CONTROL_PAYLOAD_BYTES = 125;
