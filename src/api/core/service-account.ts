import type { KindRules } from '../kind-rules.ts';

/** A service account is a name; tokens are made for it by its `token` subresource. */
export const serviceAccountRules: KindRules = {};
