/**
 * The one error base. `message` is public: it may be shown to any caller, so it holds no secret and no path of the
 * host that the caller does not already know. What explains the error to an operator goes in `cause`.
 *
 * The codes are Kubernetes' `metav1.StatusReason` values where one exists, so that `api/status.ts` maps an error to a
 * `Status` by table. Never match on message text.
 */
export type ErrorCode =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Expired'
  | 'Invalid'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'UnsupportedMediaType'
  | 'RequestEntityTooLarge'
  | 'TooManyRequests'
  | 'Timeout'
  | 'ServerTimeout'
  | 'ServiceUnavailable'
  | 'BadGateway'
  | 'InternalError';

/** One cause of a `Status`: `metav1.StatusCause`. */
export interface ErrorCause {
  /** For example `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, `FieldValueForbidden`. */
  readonly reason: string;
  readonly message: string;
  /** A field path such as `spec.containers[0].name`. */
  readonly field?: string;
}

/** What the error is about: `metav1.StatusDetails`. */
export interface ErrorDetails {
  readonly name?: string;
  readonly group?: string;
  /** The kind for `Invalid`, the plural resource for the others, as Kubernetes does. */
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly ErrorCause[];
  readonly retryAfterSeconds?: number;
}

/** An error with a public message and a code from a closed set. */
export class CausewayError extends Error {
  override readonly name = 'CausewayError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
  }
}

/** Broken input on a wire: a codec throws it, the session that reads the wire ends. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** True for a `CausewayError` of that code. */
export function isCode(error: unknown, code: ErrorCode): error is CausewayError {
  return error instanceof CausewayError && error.code === code;
}

/** `qualifiedResource` as Kubernetes prints it: `pods`, `deployments.apps`. */
export function qualifiedResource(group: string, plural: string): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** What is empty is left out, as Kubernetes does. */
function about(name: string, group: string, kind: string): ErrorDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(kind === '' ? {} : { kind }),
  };
}

export function notFound(group: string, plural: string, name: string): CausewayError {
  return new CausewayError('NotFound', `${qualifiedResource(group, plural)} "${name}" not found`, {
    details: about(name, group, plural),
  });
}

export function alreadyExists(group: string, plural: string, name: string): CausewayError {
  return new CausewayError('AlreadyExists', `${qualifiedResource(group, plural)} "${name}" already exists`, {
    details: about(name, group, plural),
  });
}

/** 409, as the update of a stale `resourceVersion` answers. `why` completes Kubernetes' sentence. */
export function conflict(group: string, plural: string, name: string, why: string): CausewayError {
  return new CausewayError(
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedResource(group, plural)} "${name}": ${why}`,
    { details: about(name, group, plural) },
  );
}

/** 422. `causes` must not be empty; the message is built from them as Kubernetes' `field.ErrorList` does. */
export function invalid(group: string, kind: string, name: string, causes: readonly ErrorCause[]): CausewayError {
  const texts = causes.map((c) => (c.field === undefined || c.field === '' ? c.message : `${c.field}: ${c.message}`));
  const joined = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const qualified = group === '' ? kind : `${kind}.${group}`;
  return new CausewayError('Invalid', `${qualified} "${name}" is invalid: ${joined}`, {
    details: { ...about(name, group, kind), causes },
  });
}
