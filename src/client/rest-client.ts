import type { KubeObject } from '../api/object.ts';
import { type ResourceType, resourcePath } from '../api/resource-path.ts';
import { CausewayError } from '../lib/errors.ts';
import { PEER_VERIFICATION_HEADER } from '../pki/peer-verification.ts';
import { Connection } from './connection.ts';
import type { ClientCredentials } from './credentials.ts';
import type { RawResponse } from './exchange.ts';
import { limits } from './limits.ts';
import { readAnswer, readLines } from './read-body.ts';
import { errorOf, statusError } from './status-error.ts';

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
  /** Changes after this version; without it, changes from now on. */
  readonly resourceVersion?: string;
  /** First the present state as ADDED events, then a bookmark for which `endsInitialEvents` is true, then the changes. */
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
}

export interface ClientWatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/** Whether a bookmark says that the present state has been sent whole (KEP-3157). */
export function endsInitialEvents(event: ClientWatchEvent<KubeLike>): boolean {
  return event.type === 'BOOKMARK' && event.object.metadata?.annotations?.['k8s.io/initial-events-end'] === 'true';
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

const JSON_MEDIA = 'application/json';
const PARTIAL = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const PARTIAL_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * The REST client of every component. One verified HTTP/2 connection; errors are `CausewayError` with the code of the
 * `Status` that the server sent, or `ServiceUnavailable` when it could not be reached or verified.
 */
export class RestClient {
  readonly #connection: Connection;
  readonly #ownHeaders: Readonly<Record<string, string>>;

  constructor(server: string, credentials: ClientCredentials, userAgent: string) {
    this.#connection = new Connection(server, credentials);
    const { serverVerifiedBy } = credentials;
    this.#ownHeaders = {
      'user-agent': userAgent,
      ...(serverVerifiedBy === undefined ? {} : { [PEER_VERIFICATION_HEADER]: serverVerifiedBy }),
    };
  }

  get<T extends KubeLike>(type: TypedResource<T>, namespace: string, name: string, signal?: AbortSignal): Promise<T> {
    return this.#json('GET', resourcePath(type, { namespace, name }), undefined, signal);
  }

  /** Name, labels, owners and the like, without the object's content. */
  getMetadata(
    type: TypedResource<KubeLike>,
    namespace: string,
    name: string,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    return this.#json('GET', resourcePath(type, { namespace, name }), undefined, signal, JSON_MEDIA, PARTIAL);
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
    return this.#json('DELETE', resourcePath(type, { namespace, name }), deleteBody(options), signal);
  }

  /** Deletes all objects that a collection holds. */
  deleteCollection(
    type: TypedResource<KubeLike>,
    query: ListQuery,
    options: DeleteOptions = {},
    signal?: AbortSignal,
  ): Promise<unknown> {
    const { namespace, metadataOnly: _, ...rest } = query;
    const path = withQuery(resourcePath(type, namespace === undefined ? {} : { namespace }), rest);
    return this.#json('DELETE', path, deleteBody(options), signal);
  }

  /**
   * Events after `resourceVersion`, in order. Ends when the server ends the watch; throws `Expired` or `Gone` when the
   * version is too old, `ServiceUnavailable` when the connection breaks, and the signal's reason.
   */
  async *watch<T extends KubeLike>(
    type: TypedResource<T>,
    query: WatchQuery,
    signal: AbortSignal,
  ): AsyncGenerator<ClientWatchEvent<T>, void, undefined> {
    const { namespace, metadataOnly, ...rest } = query;
    const path = withQuery(resourcePath(type, namespace === undefined ? {} : { namespace }), {
      ...rest,
      ...(query.sendInitialEvents === true ? { resourceVersionMatch: 'NotOlderThan' } : {}),
      watch: 'true',
      allowWatchBookmarks: 'true',
    });
    const accept = metadataOnly === true ? PARTIAL : JSON_MEDIA;
    const response = await this.#connection.request({ method: 'GET', path, headers: this.#headers(accept), signal });
    if (response.status !== 200) throw await errorOf(response);
    for await (const line of readLines(response.body)) {
      const event = parsed<{ type: string; object: unknown }>(line);
      if (event.type === 'ERROR') throw statusError(event.object, 500);
      yield event as ClientWatchEvent<T>;
    }
  }

  /** Any request whose answer is JSON; `accept` asks for another form of it. */
  json<R>(method: string, path: string, body?: unknown, signal?: AbortSignal, accept?: string): Promise<R> {
    return this.#json(method, path, body, signal, JSON_MEDIA, accept);
  }

  /** Any GET whose answer is text. */
  async text(path: string, signal?: AbortSignal): Promise<string> {
    const response = await this.#send('GET', path, undefined, signal, JSON_MEDIA, '*/*');
    return (await readAnswer(response.body)).toString();
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
    const response = await this.#send(method, path, body, signal, contentType, accept);
    return parsed<R>((await readAnswer(response.body)).toString());
  }

  /** The answer of a request that succeeded; any other status is thrown. */
  async #send(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
    contentType = JSON_MEDIA,
    accept = JSON_MEDIA,
  ): Promise<RawResponse> {
    const response = await this.#connection.request({
      method,
      path,
      headers: { ...this.#headers(accept), ...(body === undefined ? {} : { 'content-type': contentType }) },
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
      signal,
      timeoutMs: limits.requestMs,
    });
    if (response.status < 200 || response.status > 299) throw await errorOf(response);
    return response;
  }

  #headers(accept: string): Record<string, string> {
    return { accept, ...this.#ownHeaders };
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

function deleteBody(options: DeleteOptions): unknown {
  return { apiVersion: 'v1', kind: 'DeleteOptions', ...options };
}

function withQuery(path: string, query: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(key, String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

function parsed<R>(text: string): R {
  try {
    return JSON.parse(text) as R;
  } catch (cause) {
    throw new CausewayError('InternalError', 'the server sent what is not JSON', { cause });
  }
}
