import type { AuthenticationResult } from './authenticator.ts';

export interface ReviewedToken extends AuthenticationResult {
  /** Those of the asked audiences that the token is for. */
  readonly audiences: readonly string[];
}

/** Judges a token outside a request's own credentials: for TokenReview. Same answers as an `Authenticator`. */
export interface TokenReviewer {
  /** `audiences` empty means the apiserver's own. */
  reviewToken(token: string, audiences: readonly string[]): Promise<ReviewedToken | undefined>;
}
