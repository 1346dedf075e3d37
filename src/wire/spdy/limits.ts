/** Limits of the SPDY/3.1 codec. Each is checked before anything is allocated for what it bounds. */

/** Bytes of a control frame after its 8-byte header. Stops a peer that declares 16 MiB of headers and makes us buffer them. */
export const MAX_CONTROL_FRAME_BYTES = 65_536;

/** Bytes of one header block after decompression. Stops a header bomb: zlib reaches 1,000:1. */
export const MAX_HEADER_BLOCK_BYTES = 65_536;

/** Name/value pairs in one header block. Stops many tiny headers that cost a map entry each. Kubernetes' streams carry 1 to 3. */
export const MAX_HEADERS = 100;

/** Entries of one SETTINGS frame. SPDY/3.1 defines 8. */
export const MAX_SETTINGS = 32;

/** Bytes of one DATA frame: its length field has 24 bits (§2.2.2). */
export const MAX_DATA_FRAME_BYTES = 0xff_ff_ff;

/** Stream ids have 31 bits (§2.3.2). */
export const MAX_STREAM_ID = 0x7f_ff_ff_ff;
