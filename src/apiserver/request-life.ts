import type { Clock } from '../lib/clock.ts';
import type { ApiRequest } from './request.ts';

/** setTimeout takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface RequestLife {
  /** Aborts when the request must end. */
  readonly signal: AbortSignal;
  /** Call it when the request has ended by itself. */
  end(): void;
}

/**
 * How long a watch or a stream may go on: until the client is gone, `maxMs` are over, the server closes, or the credential that it was opened
 * with ends.
 */
export function lifeOf(
  context: { readonly clock: Clock; readonly closing: AbortSignal },
  request: ApiRequest,
  maxMs = Number.POSITIVE_INFINITY,
): RequestLife {
  const over = new AbortController();
  const expiresAt = request.authentication?.expiresAt;
  const untilExpiry = expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - context.clock.now();
  const ms = Math.min(maxMs, untilExpiry, MAX_TIMER_MS);
  const end = (): void => {
    clearTimeout(timer);
    for (const signal of sources) signal.removeEventListener('abort', end);
    over.abort();
  };
  const timer = setTimeout(end, Math.max(0, ms));
  timer.unref();
  // Not AbortSignal.any: `closing` lives as long as the server and would remember every request.
  const sources = [request.signal, context.closing];
  for (const signal of sources) {
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }
  return { signal: over.signal, end };
}
