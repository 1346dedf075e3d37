import type { UserInfo } from '../../api/user-info.ts';
import type { TokenReviewer } from '../../authn/token-reviewer.ts';
import { CausewayError, isCode } from '../../lib/errors.ts';
import type { Machinery } from '../machinery.ts';
import type { ResourceHandler } from '../router.ts';
import { respondReview } from './respond-review.ts';

function userInfo(user: UserInfo): Record<string, unknown> {
  return {
    username: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  };
}

/** TokenReview: whose token is this? */
export function tokenReview(machinery: Machinery, reviewer: TokenReviewer): ResourceHandler {
  return (request, endpoint) =>
    respondReview(machinery, request, endpoint.resource, async (object) => {
      const spec = (object['spec'] ?? {}) as { token?: string; audiences?: string[] };
      if ((spec.token ?? '') === '') {
        throw new CausewayError('BadRequest', 'token is required for TokenReview in authentication');
      }
      try {
        const reviewed = await reviewer.reviewToken(spec.token as string, spec.audiences ?? []);
        if (reviewed !== undefined) {
          return { authenticated: true, user: userInfo(reviewed.user), audiences: reviewed.audiences };
        }
      } catch (error) {
        if (!isCode(error, 'Unauthorized')) throw error;
      }
      return { user: {}, error: 'invalid bearer token' };
    });
}

/** SelfSubjectReview: who am I? (`kubectl auth whoami`) */
export function selfSubjectReview(machinery: Machinery): ResourceHandler {
  return (request, endpoint) =>
    respondReview(machinery, request, endpoint.resource, async () => ({ userInfo: userInfo(request.caller) }));
}
