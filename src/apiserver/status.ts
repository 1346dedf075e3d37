import { CausewayError, type ErrorCode, type ErrorDetails, ProtocolError } from '../lib/errors.ts';

import { ContinueExpiredError } from './watch-cache/expired.ts';

/** `metav1.Status`, as every failed request answers it. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: { readonly continue?: string };
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: ErrorDetails;
  readonly code?: number;
}

/** The one table from error codes to HTTP. `reason` is `metav1.StatusReason`; the empty one is Kubernetes' `StatusReasonUnknown`. */
const httpOf: Readonly<Record<ErrorCode, { readonly code: number; readonly reason: string }>> = {
  BadRequest: { code: 400, reason: 'BadRequest' },
  Unauthorized: { code: 401, reason: 'Unauthorized' },
  Forbidden: { code: 403, reason: 'Forbidden' },
  NotFound: { code: 404, reason: 'NotFound' },
  MethodNotAllowed: { code: 405, reason: 'MethodNotAllowed' },
  NotAcceptable: { code: 406, reason: 'NotAcceptable' },
  AlreadyExists: { code: 409, reason: 'AlreadyExists' },
  Conflict: { code: 409, reason: 'Conflict' },
  Gone: { code: 410, reason: 'Gone' },
  Expired: { code: 410, reason: 'Expired' },
  RequestEntityTooLarge: { code: 413, reason: 'RequestEntityTooLarge' },
  UnsupportedMediaType: { code: 415, reason: 'UnsupportedMediaType' },
  Invalid: { code: 422, reason: 'Invalid' },
  TooManyRequests: { code: 429, reason: 'TooManyRequests' },
  InternalError: { code: 500, reason: 'InternalError' },
  ServerTimeout: { code: 500, reason: 'ServerTimeout' },
  // Kubernetes answers a kubelet that it cannot reach with 500 and no reason, and clients were written against that.
  BadGateway: { code: 500, reason: '' },
  ServiceUnavailable: { code: 503, reason: 'ServiceUnavailable' },
  Timeout: { code: 504, reason: 'Timeout' },
};

/** What a request answers that made or removed something and has no object to show. */
export function success(code: number, details?: ErrorDetails): Status {
  const base = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } as const;
  return details === undefined ? { ...base, code } : { ...base, details };
}

/** No API is at that path, so none can answer in its own terms. Kubernetes says so in a line of text. */
export class PageNotFoundError extends CausewayError {
  constructor() {
    super('NotFound', '404 page not found');
  }
}

/** What Kubernetes says where no more is known. */
export const notServed = (): CausewayError =>
  new CausewayError('NotFound', 'the server could not find the requested resource', { details: {} });

export const methodNotAllowed = (): CausewayError =>
  new CausewayError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {
    details: {},
  });

/**
 * Any error as a `Status`. Only a `CausewayError`'s own message is public: everything else could hold a path, a stack or a secret, and
 * becomes a sentence that says nothing.
 */
export function statusOf(error: unknown): Status & { readonly code: number } {
  const known =
    error instanceof CausewayError
      ? error
      : error instanceof ProtocolError
        ? new CausewayError('BadRequest', error.message)
        : new CausewayError('InternalError', 'Internal error occurred');
  const { code, reason } = httpOf[known.code];
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: error instanceof ContinueExpiredError ? { continue: error.continueToken } : {},
    status: 'Failure',
    message: known.message,
    ...(reason === '' ? {} : { reason }),
    ...(known.details === undefined ? {} : { details: known.details }),
    code,
  };
}

/** True for an error whose cause an operator must find in the log, because the caller is told nothing. A caller's own mistake is none. */
export function isUnexpected(error: unknown): boolean {
  if (error instanceof ProtocolError) return false;
  return !(error instanceof CausewayError) || (error.cause !== undefined && httpOf[error.code].code >= 500);
}
