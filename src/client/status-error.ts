import { CausewayError, type ErrorCode, type ErrorDetails } from '../lib/errors.ts';
import type { RawResponse } from './exchange.ts';
import { readAnswer } from './read-body.ts';

/** Bytes of an error's body: a Status is small. */
const MAX_STATUS_BYTES = 1 << 20;

/** The error that an answer with a failing status tells of: the server's own `Status`, or what the HTTP status says. */
export async function errorOf(response: RawResponse): Promise<CausewayError> {
  const body = await readAnswer(response.body, MAX_STATUS_BYTES);
  try {
    return statusError(JSON.parse(body.toString()), response.status);
  } catch {
    return statusError(undefined, response.status);
  }
}

/** From a `metav1.Status`, as it stands in an answer or in an ERROR event. What is none gives the error of the HTTP status. */
export function statusError(value: unknown, httpStatus: number): CausewayError {
  const { reason, message, code, details } = (typeof value === 'object' && value !== null ? value : {}) as {
    reason?: unknown;
    message?: unknown;
    code?: unknown;
    details?: ErrorDetails;
  };
  return new CausewayError(
    codeOf(reason, typeof code === 'number' ? code : httpStatus),
    typeof message === 'string' && message !== '' ? message : `the server answered ${httpStatus}`,
    typeof details === 'object' && details !== null ? { details } : {},
  );
}

const REASONS: ReadonlySet<unknown> = new Set<ErrorCode>([
  'BadRequest',
  'Unauthorized',
  'Forbidden',
  'NotFound',
  'AlreadyExists',
  'Conflict',
  'Gone',
  'Expired',
  'Invalid',
  'MethodNotAllowed',
  'NotAcceptable',
  'UnsupportedMediaType',
  'RequestEntityTooLarge',
  'TooManyRequests',
  'Timeout',
  'ServerTimeout',
  'ServiceUnavailable',
  'InternalError',
]);

const CODES_BY_HTTP_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  502: 'BadGateway',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function codeOf(reason: unknown, httpStatus: number): ErrorCode {
  if (REASONS.has(reason)) return reason as ErrorCode;
  return CODES_BY_HTTP_STATUS[httpStatus] ?? 'InternalError';
}
