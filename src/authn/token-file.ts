import type { Authenticator } from './authenticator.ts';
import type { TokenReviewer } from './token-reviewer.ts';
/** `content` is Kubernetes' CSV: `token,user,uid,"group1,group2"`. Throws with the line number of a bad line. */
export declare function tokenFileAuthenticator(
  content: string,
  options: { readonly apiAudiences: readonly string[] },
): Authenticator & TokenReviewer;
