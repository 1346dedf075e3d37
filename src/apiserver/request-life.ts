import type { CredentialAnchor } from '../authn/credential-anchor.ts';
import { nodeAnchor, nodeNameOf } from '../authz/node/node-identity.ts';
import type { Clock } from '../lib/clock.ts';
import type { Anchors } from './anchors.ts';
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
 * with ends: by its time, or with an object that it hangs on (a token's pod, a node's Node).
 */
export function lifeOf(
  context: { readonly clock: Clock; readonly closing: AbortSignal; readonly anchors: Anchors },
  request: ApiRequest,
  maxMs = Number.POSITIVE_INFINITY,
): RequestLife {
  const { clock, closing, anchors } = context;
  const over = new AbortController();
  let endsAt = Number.POSITIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let release: (() => void) | undefined;
  const end = (): void => {
    clearTimeout(timer);
    release?.();
    for (const signal of sources) signal.removeEventListener('abort', end);
    over.abort();
  };
  const endAt = (at: number): void => {
    // What was once known to end does not go on longer.
    if (at >= endsAt || over.signal.aborted) return;
    endsAt = at;
    clearTimeout(timer);
    const ms = at - clock.now();
    if (ms <= 0) end();
    else timer = setTimeout(end, Math.min(ms, MAX_TIMER_MS)).unref();
  };
  // Not AbortSignal.any: `closing` lives as long as the server and would remember every request.
  const sources = [request.signal, closing];
  for (const signal of sources) {
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  }
  endAt(Math.min(request.authentication?.expiresAt ?? Number.POSITIVE_INFINITY, clock.now() + maxMs));
  const held = anchorsOf(request);
  if (held.length > 0 && !over.signal.aborted) release = anchors.hold(held, endAt);
  return { signal: over.signal, end };
}

/** What the credential hangs on, and a node's user, whoever speaks for it: on its Node. */
function anchorsOf({ authentication, user }: ApiRequest): readonly CredentialAnchor[] {
  const users = authentication?.user === user ? [user] : [authentication?.user, user];
  const nodes = users.flatMap((one) => {
    const node = one === undefined ? undefined : nodeNameOf(one);
    return node === undefined ? [] : [nodeAnchor(node, one?.uid)];
  });
  return [...(authentication?.anchors ?? []), ...nodes];
}
