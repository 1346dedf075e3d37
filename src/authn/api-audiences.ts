import type { AuthenticationResult } from './authenticator.ts';
import type { ReviewedToken } from './token-reviewer.ts';

/** A token that names no audience is for the apiserver's own: undefined when others alone were asked for. */
export function forApiAudiences(
  result: AuthenticationResult,
  asked: readonly string[],
  apiAudiences: readonly string[],
): ReviewedToken | undefined {
  const audiences = asked.length === 0 ? apiAudiences : asked.filter((one) => apiAudiences.includes(one));
  return audiences.length === 0 ? undefined : { ...result, audiences };
}
