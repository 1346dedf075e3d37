import type { Codec } from '../../api/codec/codec.ts';
import type { KubeObject } from '../../api/object.ts';
import type { ApiRequest } from '../request.ts';
import type { Status } from '../status.ts';
import type { ResponseHeaders } from '../transport/exchange.ts';
import { contentTypes, negotiate, type Representation } from './accept.ts';
import { encode } from './represent.ts';

/** A `Status` is never a Table; a client that accepts nothing we have is still told what went wrong, in JSON. */
function representationOf(request: ApiRequest): Representation {
  const { exchange } = request;
  const query = request.parsed ? request.info.query : new URLSearchParams();
  try {
    return negotiate(exchange.header('accept'), query, exchange.header('user-agent'), false);
  } catch {
    return { media: 'json', as: undefined, version: 'v1', pretty: true };
  }
}

/** Answers a `Status` in the media type that the client accepts. */
export function respondStatus(
  codec: Codec,
  request: ApiRequest,
  code: number,
  status: Status,
  headers: ResponseHeaders = {},
): void {
  const representation = representationOf(request);
  request.exchange.respond(
    code,
    { 'content-type': contentTypes[representation.media], 'cache-control': 'no-cache, private', ...headers },
    encode(codec, status as unknown as KubeObject, representation),
  );
}
