import type { KindRules } from '../kind-rules.ts';

/** `kubectl auth whoami`: the request says nothing, the answer is its status. */
export const selfSubjectReviewRules: KindRules = { ownMetadata: true };
