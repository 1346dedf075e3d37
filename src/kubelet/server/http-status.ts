import { CausewayError, type ErrorCode } from '../../lib/errors.ts';

const statuses: Readonly<Record<ErrorCode, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  Invalid: 422,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  UnsupportedMediaType: 415,
  RequestEntityTooLarge: 413,
  TooManyRequests: 429,
  Timeout: 504,
  ServerTimeout: 500,
  ServiceUnavailable: 503,
  BadGateway: 502,
  InternalError: 500,
};

/** The kubelet answers errors in plain text; what is not meant for callers becomes a sentence without content. */
export function plainAnswer(error: unknown): { readonly status: number; readonly body: string } {
  if (error instanceof CausewayError) return { status: statuses[error.code], body: error.message };
  return { status: 500, body: 'Internal Server Error' };
}
