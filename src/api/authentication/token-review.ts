import { CausewayError } from '../../lib/errors.ts';
import type { TokenReview } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';

/** Asks whose token it is. The token never appears in a message. */
export const tokenReviewRules: KindRules = {
  ownMetadata: true,
  validate(object) {
    // Kubernetes answers 400 here, not 422.
    if (((object as unknown as TokenReview).spec?.token ?? '') === '') {
      throw new CausewayError('BadRequest', 'token is required for TokenReview in authentication');
    }
    return [];
  },
};
