import type { KubeObject } from '../api/object.ts';
import { type ResourceType, resourcePath } from '../api/resource-path.ts';
import { deadline } from '../lib/deadline.ts';
import { CausewayError, type ErrorCode, type ErrorDetails } from '../lib/errors.ts';
import { Connection, type RawResponse } from './connection.ts';
import type { ClientCredentials } from './credentials.ts';

/** A resource together with the TypeScript type of its objects. Made by `resource`. */
export interface TypedResource<T extends { metadata?: unknown }> extends ResourceType {
  readonly kind: string;
  /** Only a type: never set. */
  readonly object?: T;
}

/** `resource<Pod>('', 'v1', 'pods', 'Pod')`. */
export function resource<T extends { metadata?: unknown } = KubeObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced = true,
): TypedResource<T> {
  return { group, version, plural, kind, namespaced };
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

export interface ListQuery {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Ask for `PartialObjectMetadata`: no spec, no status. */
  readonly metadataOnly?: boolean;
}

export interface WatchQuery extends ListQuery {
  readonly resourceVersion: string;
  readonly timeoutSeconds?: number;
}

export interface ClientWatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export type PatchType = 'json' | 'merge' | 'strategic';

const PATCH_CONTENT_TYPES: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

const PARTIAL = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const PARTIAL_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** Each request but a watch must be answered in this time. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A watch event of one object is bounded by the size of an object; this stops a broken server from filling memory. */
const MAX_WATCH_LINE_BYTES = 16 << 20;

/**
 * The REST client of every component. One verified HTTP/2 connection; errors are `CausewayError` with the code of the
 * `Status` that the server sent, or `ServiceUnavailable` when it could not be reached or verified.
 */
export class RestClient {
  readonly #connection: Connection;
  readonly #userAgent: string;

  constructor(server: string, credentials: ClientCredentials, userAgent: string) {
    this.#connection = new Connection(server, credentials);
    this.#userAgent = userAgent;
  }

  get<T extends KubeLike>(type: TypedResource<T>, namespace: string, name: string, signal?: AbortSignal): Promise<T> {
    return this.#json('GET', resourcePath(type, { namespace, name }), undefined, signal);
  }

  async list<T extends KubeLike>(
    type: TypedResource<T>,
    query: ListQuery & { readonly resourceVersion?: string } = {},
    signal?: AbortSignal,
  ): Promise<ObjectList<T>> {
    const { namespace, metadataOnly, ...rest } = query;
    const path = withQuery(resourcePath(type, namespace === undefined ? {} : { namespace }), rest);
    const accept = metadataOnly === true ? PARTIAL_LIST : undefined;
    const list = await this.#json<{ items?: T[]; metadata?: { resourceVersion?: string } }>(
      'GET',
      path,
      undefined,
      signal,
      undefined,
      accept,
    );
    return { items: list.items ?? [], resourceVersion: list.metadata?.resourceVersion ?? '0' };
  }

  create<T extends KubeLike>(type: TypedResource<T>, object: T, signal?: AbortSignal): Promise<T> {
    const namespace = namespaceOf(object);
    return this.#json('POST', resourcePath(type, { namespace }), stamped(type, object), signal);
  }

  /** POST to a subresource: `binding`, `token`, `eviction`. */
  createSubresource<R = unknown>(
    type: TypedResource<KubeLike>,
    where: { readonly namespace: string; readonly name: string; readonly subresource: string },
    body: unknown,
    signal?: AbortSignal,
  ): Promise<R> {
    return this.#json('POST', resourcePath(type, where), body, signal);
  }

  /** PUT. `subresource` is `status`, `scale`, `finalize`, … */
  update<T extends KubeLike>(
    type: TypedResource<T>,
    object: T,
    subresource?: string,
    signal?: AbortSignal,
  ): Promise<T> {
    const namespace = namespaceOf(object);
    const name = metadataOf(object).name ?? '';
    const where = subresource === undefined ? { namespace, name } : { namespace, name, subresource };
    return this.#json('PUT', resourcePath(type, where), stamped(type, object), signal);
  }

  patch<T extends KubeLike>(
    type: TypedResource<T>,
    where: { readonly namespace: string; readonly name: string; readonly subresource?: string },
    patchType: PatchType,
    patch: unknown,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#json('PATCH', resourcePath(type, where), patch, signal, PATCH_CONTENT_TYPES[patchType]);
  }

  delete(
    type: TypedResource<KubeLike>,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
    signal?: AbortSignal,
  ): Promise<unknown> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...options };
    return this.#json('DELETE', resourcePath(type, { namespace, name }), body, signal);
  }

  /** Deletes all objects that a collection holds. */
  deleteCollection(type: TypedResource<KubeLike>, query: ListQuery, signal?: AbortSignal): Promise<unknown> {
    const { namespace, ...rest } = query;
    const path = withQuery(resourcePath(type, namespace === undefined ? {} : { namespace }), rest);
    return this.#json('DELETE', path, undefined, signal);
  }

  /**
   * Events after `resourceVersion`, in order. Ends when the server ends the watch; throws `Expired` or `Gone` when the
   * version is too old, and `ServiceUnavailable` when the connection breaks.
   */
  async *watch<T extends KubeLike>(
    type: TypedResource<T>,
    query: WatchQuery,
    signal: AbortSignal,
  ): AsyncGenerator<ClientWatchEvent<T>, void, undefined> {
    const { namespace, metadataOnly, ...rest } = query;
    const path = withQuery(resourcePath(type, namespace === undefined ? {} : { namespace }), {
      ...rest,
      watch: 'true',
      allowWatchBookmarks: 'true',
    });
    const accept = metadataOnly === true ? PARTIAL : undefined;
    const response = await this.#send('GET', path, undefined, signal, undefined, accept);
    if (response.status !== 200) throw await errorOf(response);
    for await (const line of lines(response.stream)) {
      const event = JSON.parse(line) as { type: string; object: unknown };
      if (event.type === 'ERROR') throw statusError(event.object, 500);
      yield event as ClientWatchEvent<T>;
    }
  }

  /** Any request whose answer is JSON; `accept` asks for another form of it. */
  json<R>(method: string, path: string, body?: unknown, signal?: AbortSignal, accept?: string): Promise<R> {
    return this.#json(method, path, body, signal, undefined, accept);
  }

  /** Any GET whose answer is text. */
  async text(path: string, signal?: AbortSignal): Promise<string> {
    const response = await this.#send('GET', path, undefined, deadline(REQUEST_TIMEOUT_MS, signal), undefined, '*/*');
    if (response.status !== 200) throw await errorOf(response);
    return (await readAll(response)).toString();
  }

  close(): void {
    this.#connection.close();
  }

  async #json<R>(
    method: string,
    path: string,
    body: unknown,
    signal?: AbortSignal,
    contentType?: string,
    accept?: string,
  ): Promise<R> {
    const limit = deadline(REQUEST_TIMEOUT_MS, signal);
    const response = await this.#send(method, path, body, limit, contentType, accept);
    if (response.status < 200 || response.status > 299) throw await errorOf(response);
    return JSON.parse((await readAll(response)).toString()) as R;
  }

  #send(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal,
    contentType = 'application/json',
    accept = 'application/json',
  ): Promise<RawResponse> {
    return this.#connection.request({
      method,
      path,
      headers: {
        accept,
        'user-agent': this.#userAgent,
        ...(body === undefined ? {} : { 'content-type': contentType }),
      },
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
      signal,
    });
  }
}

/** What the client needs of an object: generated kinds and `KubeObject` both have it. */
export interface KubeLike {
  metadata?: KubeObject['metadata'] | undefined;
}

function metadataOf(object: KubeLike): KubeObject['metadata'] {
  return object.metadata ?? {};
}

function namespaceOf(object: KubeLike): string {
  return metadataOf(object).namespace ?? '';
}

function stamped<T extends KubeLike>(type: TypedResource<T>, object: T): unknown {
  const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`;
  return { ...object, apiVersion, kind: type.kind };
}

function withQuery(path: string, query: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(key, String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

async function readAll(response: RawResponse): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response.stream) chunks.push(chunk as Buffer);
  if (response.stream.rstCode !== 0) {
    throw new CausewayError('ServiceUnavailable', 'the server ended the answer before it was whole');
  }
  return Buffer.concat(chunks);
}

async function errorOf(response: RawResponse): Promise<CausewayError> {
  const body = await readAll(response);
  try {
    return statusError(JSON.parse(body.toString()), response.status);
  } catch {
    return new CausewayError(codeOf('', response.status), `the server answered ${response.status}`);
  }
}

function statusError(value: unknown, httpStatus: number): CausewayError {
  const status = value as { reason?: string; message?: string; code?: number; details?: ErrorDetails };
  const code = codeOf(status.reason ?? '', status.code ?? httpStatus);
  return new CausewayError(code, status.message ?? `the server answered ${httpStatus}`, {
    ...(status.details === undefined ? {} : { details: status.details }),
  });
}

const REASONS: ReadonlySet<string> = new Set<ErrorCode>([
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
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function codeOf(reason: string, httpStatus: number): ErrorCode {
  if (REASONS.has(reason)) return reason as ErrorCode;
  return CODES_BY_HTTP_STATUS[httpStatus] ?? 'InternalError';
}

async function* lines(stream: RawResponse['stream']): AsyncGenerator<string, void, undefined> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of stream) {
    let rest = chunk as Buffer;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield Buffer.concat([...pending, rest.subarray(0, end)]).toString();
      pending = [];
      pendingBytes = 0;
      rest = rest.subarray(end + 1);
    }
    pendingBytes += rest.length;
    if (pendingBytes > MAX_WATCH_LINE_BYTES) throw new CausewayError('InternalError', 'a watch event is too large');
    if (rest.length > 0) pending.push(rest);
  }
  if (stream.rstCode !== 0) throw new CausewayError('ServiceUnavailable', 'the watch broke off');
}
