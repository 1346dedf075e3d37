import { anonymousUser, type UserInfo } from '../api/user-info.ts';
import { isCode } from '../lib/errors.ts';
import type { AuthenticationResult, Authenticator, Credentials } from './authenticator.ts';
import type { ReviewedToken, TokenReviewer } from './token-reviewer.ts';
import { unauthorized } from './unauthorized.ts';

const AUTHENTICATED = 'system:authenticated';

/**
 * Tries each authenticator on each credential that was shown, the certificate first. Every credential shown must be accepted: one that
 * is wrong, or that nobody knows, is `Unauthorized`, never anonymous and never hidden behind a good one. The certificate decides who it is.
 */
export function unionAuthenticator(authenticators: readonly Authenticator[]): Authenticator {
  return {
    name: 'union',
    authenticate: async (credentials) => {
      let answer: AuthenticationResult | undefined;
      for (const shown of separate(credentials)) {
        const found = await firstAnswer(authenticators, (one) => one.authenticate(shown));
        if (found === undefined) throw unauthorized(whyNobody(shown));
        answer ??= found;
      }
      return answer === undefined ? undefined : { ...answer, user: withAuthenticated(answer.user) };
    },
  };
}

export function unionTokenReviewer(reviewers: readonly TokenReviewer[]): TokenReviewer {
  return {
    reviewToken: async (token, audiences): Promise<ReviewedToken | undefined> => {
      const found = await firstAnswer(reviewers, (one) => one.reviewToken(token, audiences));
      return found === undefined ? undefined : { ...found, user: withAuthenticated(found.user) };
    },
  };
}

/** One `Credentials` for each credential shown, or one with none. */
function separate(credentials: Credentials): Credentials[] {
  const { bearerToken, peerCertificate, certificateState, ...rest } = credentials;
  const shown: Credentials[] = [];
  if (certificateState !== 'none') {
    shown.push({ ...rest, certificateState, ...(peerCertificate === undefined ? {} : { peerCertificate }) });
  }
  if (bearerToken !== undefined) shown.push({ ...rest, certificateState: 'none', bearerToken });
  return shown.length > 0 ? shown : [{ ...rest, certificateState: 'none' }];
}

function whyNobody({ certificateState, bearerToken }: Credentials): string {
  if (certificateState !== 'none') return 'nobody accepts the client certificate';
  return bearerToken === undefined ? 'no credential was shown' : 'nobody knows the token';
}

/** The first that answers. If none does and one refused, its refusal; a failure to decide counts for more than a refusal. */
async function firstAnswer<A, R>(all: readonly A[], ask: (one: A) => Promise<R | undefined>): Promise<R | undefined> {
  let refusal: unknown;
  for (const one of all) {
    try {
      const found = await ask(one);
      if (found !== undefined) return found;
    } catch (error) {
      if (refusal === undefined || !isCode(error, 'Unauthorized')) refusal = error;
    }
  }
  if (refusal !== undefined) throw refusal;
  return undefined;
}

function withAuthenticated(user: UserInfo): UserInfo {
  const known = user.groups.includes(AUTHENTICATED) || user.username === anonymousUser.username;
  return known ? user : { ...user, groups: [...user.groups, AUTHENTICATED] };
}
