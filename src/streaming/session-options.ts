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

/** Closes the connection when `signal` aborts. */
export function endWith(
  connection: { close(): void; readonly closed: Promise<void> },
  signal: AbortSignal | undefined,
): void {
  if (signal === undefined) return;
  const close = (): void => connection.close();
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  void connection.closed.then(() => signal.removeEventListener('abort', close));
}
