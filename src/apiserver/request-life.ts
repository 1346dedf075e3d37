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
  const timer = setTimeout(() => over.abort(), Math.max(0, ms));
  timer.unref();
  return {
    signal: AbortSignal.any([request.signal, over.signal, context.closing]),
    end: () => {
      clearTimeout(timer);
      over.abort();
    },
  };
}
