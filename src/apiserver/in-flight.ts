import { CausewayError } from '../lib/errors.ts';
import { limits } from './limits.ts';
import type { RequestInfo } from './request-info.ts';

const longRunningSubresources = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

/** Requests that may stay open: they have no deadline and a place of their own. */
export function isLongRunning(info: RequestInfo): boolean {
  return (
    info.resourceRequest &&
    (info.verb === 'watch' || info.verb === 'proxy' || longRunningSubresources.has(info.subresource))
  );
}

type Lane = 'readOnly' | 'mutating' | 'longRunning';

const laneLimits: Readonly<Record<Lane, number>> = {
  readOnly: limits.maxReadsInFlight,
  mutating: limits.maxMutationsInFlight,
  longRunning: limits.maxLongRunning,
};

function laneOf(info: RequestInfo): Lane {
  if (isLongRunning(info)) return 'longRunning';
  return info.verb === 'get' || info.verb === 'list' || info.verb === 'head' ? 'readOnly' : 'mutating';
}

/** How many requests are under way. Beyond the limit a request is refused at once instead of waiting without end. */
export class InFlight {
  readonly #counts: Record<Lane, number> = { readOnly: 0, mutating: 0, longRunning: 0 };
  readonly #limits: Readonly<Record<Lane, number>>;

  constructor(override: Partial<Record<Lane, number>> = {}) {
    this.#limits = { ...laneLimits, ...override };
  }

  get counts(): Readonly<Record<Lane, number>> {
    return this.#counts;
  }

  /** Takes a place; the answer gives it back. `system:masters` always gets one: somebody must be able to mend an overload. */
  enter(info: RequestInfo, groups: readonly string[]): () => void {
    const lane = laneOf(info);
    if (this.#counts[lane] >= this.#limits[lane] && !groups.includes('system:masters')) {
      throw new CausewayError('TooManyRequests', 'Too many requests, please try again later.', {
        details: { retryAfterSeconds: 1 },
      });
    }
    this.#counts[lane]++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#counts[lane]--;
    };
  }
}
