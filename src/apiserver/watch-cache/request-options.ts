import { goQuote, invalidValue } from '../../api/field-error.ts';
import { CausewayError, type ErrorCause, invalid } from '../../lib/errors.ts';
import { type ContinueToken, decodeContinue } from './continue-token.ts';
import type { ListRequest, WatchRequest } from './watch-cache.ts';

/** What a list shows. */
export type ListMode =
  | { readonly type: 'newest' }
  | { readonly type: 'any' }
  | { readonly type: 'not-older'; readonly revision: number }
  | { readonly type: 'exact'; readonly revision: number }
  | { readonly type: 'continue'; readonly token: ContinueToken };

/** Where a watch starts. `initial`: with the present state as ADDED events, and a bookmark after them for who takes bookmarks. */
export type WatchMode =
  | { readonly type: 'initial'; readonly atLeast: number | 'newest' }
  | { readonly type: 'from'; readonly revision: number }
  | { readonly type: 'from-newest' }
  | { readonly type: 'from-any' };

/** Reads and validates the options of a list as Kubernetes does. */
export function listMode(request: ListRequest): ListMode {
  const { resourceVersion: version = '', resourceVersionMatch: match = '', continue: token = '' } = request;
  const causes: ErrorCause[] = [];
  if (match !== '') {
    if (version === '') causes.push(forbidden('resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if (token !== '') causes.push(forbidden('resourceVersionMatch is forbidden when continue is provided'));
    if (match !== 'Exact' && match !== 'NotOlderThan') causes.push(unsupported(match, '"Exact", "NotOlderThan", ""'));
    if (match === 'Exact' && version === '0') {
      causes.push(forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
    }
  }
  if (request.sendInitialEvents === true) {
    causes.push({ ...forbidden('sendInitialEvents is forbidden for list'), field: 'sendInitialEvents' });
  }
  if (causes.length > 0) throw invalidOptions(causes);
  if (token !== '') {
    if (version !== '' && version !== '0') {
      throw new CausewayError('BadRequest', 'specifying resource version is not allowed when using continue');
    }
    return { type: 'continue', token: decodeContinue(token) };
  }
  if (version === '') return { type: 'newest' };
  const revision = parseRevision(version);
  if (match === 'Exact') return { type: 'exact', revision };
  if (revision === 0) return { type: 'any' };
  // Without a match, a limited list of a certain revision has always been exact.
  if (match === '' && (request.limit ?? 0) > 0) return { type: 'exact', revision };
  return { type: 'not-older', revision };
}

/** Reads and validates the options of a watch as Kubernetes does. */
export function watchMode(request: WatchRequest): WatchMode {
  const { resourceVersion: version = '', resourceVersionMatch: match = '', sendInitialEvents } = request;
  const causes: ErrorCause[] = [];
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    causes.push(forbidden('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  }
  if (match !== '') {
    if (sendInitialEvents === undefined) {
      causes.push(forbidden('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'));
    }
    if (match !== 'NotOlderThan') causes.push(unsupported(match, '"NotOlderThan"'));
  }
  if (causes.length > 0) throw invalidOptions(causes);
  const revision = version === '' ? undefined : parseRevision(version);
  if (sendInitialEvents === true) return { type: 'initial', atLeast: revision ?? 'newest' };
  if (revision !== undefined && revision > 0) return { type: 'from', revision };
  if (sendInitialEvents === false) return { type: revision === 0 ? 'from-any' : 'from-newest' };
  // Watches that name no revision have always begun with the present state; since 1.34 they are told where it ends.
  return { type: 'initial', atLeast: revision ?? 'newest' };
}

/** Throws `BadRequest` for what is no revision. */
export function parseRevision(text: string): number {
  const number = /^\d+$/.test(text);
  const revision = number && BigInt(text) < 2n ** 64n ? Number(text) : Number.NaN;
  if (!Number.isFinite(revision)) {
    const why = `strconv.ParseUint: parsing ${goQuote(text)}: ${number ? 'value out of range' : 'invalid syntax'}`;
    const { field, message } = invalidValue('resourceVersion', text, why);
    throw new CausewayError('BadRequest', `${field}: ${message}`);
  }
  return revision;
}

function invalidOptions(causes: readonly ErrorCause[]): CausewayError {
  return invalid('meta.k8s.io', 'ListOptions', '', causes);
}

function forbidden(message: string): ErrorCause {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${message}`, field: 'resourceVersionMatch' };
}

function unsupported(value: string, supported: string): ErrorCause {
  return {
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported}`,
    field: 'resourceVersionMatch',
  };
}
