import { invalidValue } from '../field-error.ts';
import type { TokenRequest } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';

/** Ten minutes: shorter tokens would have to be renewed all the time. */
const minSeconds = 600;
const maxSeconds = 2 ** 32;

/** The `token` subresource of service accounts: answered, never stored. */
export const tokenRequestRules: KindRules = {
  ownMetadata: true,
  initialStatus: 'keep',
  defaults(object) {
    const request = object as unknown as TokenRequest;
    request.spec ??= { audiences: [] };
    request.spec.expirationSeconds ??= 3600;
  },
  validate(object) {
    const seconds = (object as unknown as TokenRequest).spec?.expirationSeconds ?? 0;
    const field = 'spec.expirationSeconds';
    if (seconds < minSeconds) return [invalidValue(field, seconds, 'may not specify a duration less than 10 minutes')];
    if (seconds <= maxSeconds) return [];
    return [invalidValue(field, seconds, 'may not specify a duration larger than 2^32 seconds')];
  },
};
