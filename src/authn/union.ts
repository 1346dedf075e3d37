import type { Authenticator } from './authenticator.ts';
import type { TokenReviewer } from './token-reviewer.ts';
/**
 * Tries each in turn. A credential that was shown and that nobody accepted is `Unauthorized`, never anonymous. Adds `system:authenticated`
 * to everybody but the anonymous user.
 */
export declare function unionAuthenticator(authenticators: readonly Authenticator[]): Authenticator;
export declare function unionTokenReviewer(reviewers: readonly TokenReviewer[]): TokenReviewer;
