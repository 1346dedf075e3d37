/** Objects of seen pairs of ends: memory, when somebody connects under many names. More share one object a path, `(others)`. */
export const MAX_PAIRS = 2000;

/** Different kinds of evidence kept for a pair: TLS versions, groups and ciphers that one client varies. */
export const MAX_EVIDENCE_PER_PAIR = 8;

/** Different authorisers kept for a pair. */
export const MAX_AUTHORISERS = 8;

/** Longest text kept of a failure's reason or an end's name, in characters. */
export const MAX_TEXT = 256;

/** Changes are told to watchers at most this often, in milliseconds: many short connections would make an event each. */
export const NOTIFY_MS = 200;
