import type { UserInfo } from '../../api/user-info.ts';
import type { TokenReviewer } from '../../authn/token-reviewer.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { isCode } from '../../lib/errors.ts';
import type { HandlerContext } from '../handlers/endpoint.ts';
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
export function tokenReview(context: HandlerContext, reviewer: TokenReviewer): ResourceHandler {
  return (request, endpoint) =>
    respondReview(context, endpoint, request, async (object) => {
      const spec = object['spec'] as { token: string; audiences?: string[] };
      try {
        const reviewed = await reviewer.reviewToken(spec.token, spec.audiences ?? []);
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
export function selfSubjectReview(context: HandlerContext): ResourceHandler {
  return (request, endpoint) =>
    respondReview(context, endpoint, request, async (object) => {
      object.metadata = { creationTimestamp: rfc3339(context.clock.now()) };
      return { userInfo: userInfo(request.caller) };
    });
}
