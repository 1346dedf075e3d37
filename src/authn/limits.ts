/** Longest bearer token that is looked at, in bytes: hashing and parsing of huge headers before anybody is authenticated. */
export const MAX_TOKEN_BYTES = 16 * 1024;

/** Verified tokens that are remembered: memory, when somebody shows many valid tokens. */
export const MAX_CACHED_TOKENS = 4096;

/** Largest token file, in bytes: a wrong path such as a device or a log. */
export const MAX_TOKEN_FILE_BYTES = 1 << 20;
