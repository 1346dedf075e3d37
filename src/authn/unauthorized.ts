import { CausewayError } from '../lib/errors.ts';

/** 401. The caller learns nothing more than Kubernetes tells; `why` is for the log. */
export function unauthorized(why: string): CausewayError {
  return new CausewayError('Unauthorized', 'Unauthorized', { cause: new Error(why) });
}

/** What `unauthorized` was given, for the log. It holds no credential. */
export function whyUnauthorized(error: CausewayError): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
