/** What every session may be told about time; the defaults stand in `limits.ts`. */
export interface SessionTimeouts {
  /** A session without traffic ends after this time. */
  readonly idleTimeoutMs?: number;
  readonly pingIntervalMs?: number;
}

/** Just these, for the constructor of a connection. */
export function timeouts(options: SessionTimeouts): SessionTimeouts {
  return {
    ...(options.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
    ...(options.pingIntervalMs === undefined ? {} : { pingIntervalMs: options.pingIntervalMs }),
  };
}
