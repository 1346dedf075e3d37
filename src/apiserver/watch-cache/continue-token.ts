import { CausewayError } from '../../lib/errors.ts';
import { MAX_CONTINUE_BYTES } from './limits.ts';

/** Where a list goes on. Kubernetes' own form: base64url of `{"v":"meta.k8s.io/v1","rv":7,"start":"default/web\0"}`. */
export interface ContinueToken {
  /** The revision that all pages show; -1: the newest, for a client that goes on after its revision was compacted. */
  readonly revision: number;
  /** The key of the last object of the page before, without the resource's prefix. */
  readonly after: string;
}

/** The list starts at the first key that is not before `start`: the smallest one after the last that was sent. */
const NEXT = '\0';

export function encodeContinue(token: ContinueToken): string {
  const text = JSON.stringify({ v: 'meta.k8s.io/v1', rv: token.revision, start: token.after + NEXT });
  return Buffer.from(text).toString('base64url');
}

/** Throws `BadRequest`. What a token names stays under the prefix that the request is allowed, because it is only compared with keys there. */
export function decodeContinue(text: string): ContinueToken {
  if (text.length > MAX_CONTINUE_BYTES) throw invalidToken('');
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw invalidToken(': illegal base64 data');
  let token: unknown;
  try {
    token = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw invalidToken(': it holds no JSON');
  }
  if (typeof token !== 'object' || token === null) throw invalidToken(': it holds no JSON object');
  const { v, rv, start } = token as { readonly v?: unknown; readonly rv?: unknown; readonly start?: unknown };
  if (v !== 'meta.k8s.io/v1') throw invalidToken(': server does not recognize this encoded version');
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0 || rv < -1) {
    throw invalidToken(': incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  }
  if (typeof start !== 'string' || start === '') {
    throw invalidToken(': encoded start key empty (version meta.k8s.io/v1)');
  }
  if (
    !start.endsWith(NEXT) ||
    start.startsWith('/') ||
    /(^|\/)\.\.?(\/|\0|$)|\/\//.test(start) ||
    !start.isWellFormed()
  ) {
    throw invalidToken('');
  }
  return { revision: rv, after: start.slice(0, -NEXT.length) };
}

function invalidToken(why: string): CausewayError {
  return new CausewayError('BadRequest', `invalid continue token: continue key is not valid${why}`);
}
