/** Impersonation headers in one request. Stops: one request that makes the authoriser decide thousands of times. */
export const MAX_IMPERSONATED_VALUES = 128;

/** Characters in one impersonation header's value. Stops: names that fill the audit log; no user name is longer. */
export const MAX_IMPERSONATION_HEADER_LENGTH = 1024;
