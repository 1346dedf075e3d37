import { anonymousUser } from '../api/user-info.ts';
import type { Authenticator } from './authenticator.ts';

/** What anybody may ask: whether the server is alive, and what it is. */
export const ANONYMOUS_PATHS = ['/livez', '/readyz', '/healthz', '/version'] as const;

/** Anonymous for exactly these request paths and no others, and never when a credential was shown. */
export function anonymousAuthenticator(paths: readonly string[] = ANONYMOUS_PATHS): Authenticator {
  const allowed = new Set(paths);
  return {
    name: 'anonymous',
    authenticate: async ({ bearerToken, certificateState, path }) =>
      bearerToken === undefined && certificateState === 'none' && path !== undefined && allowed.has(path)
        ? { user: anonymousUser, method: 'anonymous' }
        : undefined,
  };
}
