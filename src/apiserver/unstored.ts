import type { KubeObject } from '../api/object.ts';
import { negotiate, type Representation } from './content/accept.ts';
import type { ApiRequest } from './request.ts';
import type { CachedObject } from './watch-cache/watch-cache.ts';

/** An object that is in no storage, in the shape of one that is. */
export function asCached(object: KubeObject): CachedObject {
  let bytes: Buffer | undefined;
  return {
    key: '',
    namespace: '',
    name: object.metadata.name ?? '',
    get bytes() {
      bytes ??= Buffer.from(JSON.stringify(object));
      return bytes;
    },
    resourceVersion: Number(object.metadata.resourceVersion ?? 0),
    object: () => object,
    copy: () => structuredClone(object),
  };
}

/** How the client wants to see it. */
export function represent(request: ApiRequest): Representation {
  const { exchange, query } = request;
  return negotiate(exchange.header('accept'), query, exchange.header('user-agent'), true);
}
