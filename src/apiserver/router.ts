import type { ResourceDefinition, Verb } from '../api/scheme.ts';
import { patchObject, postObject, putObject } from './handlers/change.ts';
import { deleteCollection, deleteObject } from './handlers/delete.ts';
import { type Endpoint, endpointOf, type HandlerContext } from './handlers/endpoint.ts';
import { getObject, listObjects } from './handlers/read.ts';
import { watchObjects } from './handlers/watch.ts';
import type { ApiRequest } from './request.ts';
import { methodNotAllowed, notServed, PageNotFoundError } from './status.ts';

export type Handler = (request: ApiRequest) => Promise<void>;
export type ResourceHandler = (request: ApiRequest, endpoint: Endpoint) => Promise<void>;

/** Handlers that are not the generic ones, by `group/plural` or `group/plural/subresource`. `undefined` for a verb: 405. */
export type SpecialHandlers = ReadonlyMap<string, Partial<Record<Verb, ResourceHandler>>>;

const collectionVerbs = new Set<string>(['list', 'watch', 'create', 'deletecollection']);
const readVerbs = new Set<string>(['get', 'list', 'watch']);
/** Subresources that are the object itself, of which only a part is written. */
const statusLike = new Set(['status', 'approval', 'ephemeralcontainers']);

/** What Kubernetes warns everybody of who uses these. */
const deprecations = new Map([
  ['/v1/endpoints', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  ['/v1/componentstatuses', 'v1 ComponentStatus is deprecated in v1.19+'],
]);

export interface RouterOptions {
  readonly context: HandlerContext;
  readonly special: SpecialHandlers;
  /** Everything that is no resource: discovery, health, metrics, OpenAPI. */
  readonly other: Handler;
}

/** From what a request is about to the one handler that answers it. */
export class Router {
  readonly #options: RouterOptions;
  readonly #endpoints = new Map<ResourceDefinition, Endpoint>();
  readonly #generic: Readonly<Record<Verb, ResourceHandler>>;
  readonly #statusVerbs: Partial<Record<Verb, ResourceHandler>>;

  constructor(options: RouterOptions) {
    this.#options = options;
    const { context } = options;
    this.#generic = {
      get: (request, endpoint) => getObject(context, endpoint, request),
      list: (request, endpoint) => listObjects(context, endpoint, request),
      watch: (request, endpoint) => watchObjects(context, endpoint, request),
      create: (request, endpoint) => postObject(context, endpoint, request),
      update: (request, endpoint) => putObject(context, endpoint, request),
      patch: (request, endpoint) => patchObject(context, endpoint, request),
      delete: (request, endpoint) => deleteObject(context, endpoint, request),
      deletecollection: (request, endpoint) => deleteCollection(context, endpoint, request),
    };
    const { get, update, patch } = this.#generic;
    this.#statusVerbs = { get, update, patch };
  }

  async handle(request: ApiRequest): Promise<void> {
    const { info } = request;
    if (!info.resourceRequest) return this.#options.other(request);
    const { scheme } = this.#options.context.machinery;
    const resource = scheme.find(info.group, info.version, info.resource);
    if (resource === undefined) {
      throw scheme.groups.some(({ name }) => name === info.group) ? notServed() : new PageNotFoundError();
    }
    // What is authorised as reading is done by GET alone: a POST below `/watch/` is one of these verbs too.
    if (readVerbs.has(info.verb) && request.method !== 'GET') throw methodNotAllowed();
    this.#checkScope(request, resource);
    const handler = this.#find(resource, info.subresource, info.verb as Verb);
    const deprecated = deprecations.get(`${resource.group}/${resource.version}/${resource.plural}`);
    if (deprecated !== undefined) request.warn(deprecated);
    await handler(request, this.endpoint(resource));
  }

  endpoint(resource: ResourceDefinition): Endpoint {
    let endpoint = this.#endpoints.get(resource);
    if (endpoint === undefined) {
      endpoint = endpointOf(this.#options.context, resource);
      this.#endpoints.set(resource, endpoint);
    }
    return endpoint;
  }

  #checkScope(request: ApiRequest, resource: ResourceDefinition): void {
    const { info } = request;
    const isNamespaces = resource.group === '' && resource.plural === 'namespaces';
    // A namespace is in a namespace only when it is that one. Otherwise who is an administrator of one namespace, and was authorised as that,
    // would reach every other by `/api/v1/namespaces/own/namespaces/other`.
    const inItself = isNamespaces && info.namespace === info.name;
    if (!resource.namespaced && info.namespace !== '' && !inItself) throw notServed();
    if (resource.namespaced && info.namespace === '') {
      // Without a namespace there is the list of all of them, and nothing else; not even that of a kind that is never stored.
      if (!collectionVerbs.has(info.verb) || !resource.verbs.includes('list')) throw notServed();
      if (info.verb !== 'list' && info.verb !== 'watch') throw methodNotAllowed();
    }
    // No object of a kind that is never stored has a path.
    if (info.name !== '' && info.subresource === '' && resource.verbs.every((v) => collectionVerbs.has(v)))
      throw notServed();
    // A PUT or PATCH of a collection, a POST to an object.
    if (info.name === '' && !collectionVerbs.has(info.verb)) throw methodNotAllowed();
    if (info.name !== '' && info.verb === 'create' && info.subresource === '') throw methodNotAllowed();
    if (info.rest.length > 0 && info.subresource !== 'proxy') throw notServed();
  }

  #find(resource: ResourceDefinition, subresource: string, verb: Verb): ResourceHandler {
    const key = `${resource.group}/${resource.plural}`;
    if (subresource === '') {
      const special = this.#options.special.get(key);
      if (special !== undefined && Object.hasOwn(special, verb)) return special[verb] ?? refuseMethod;
      if (!resource.verbs.includes(verb)) throw methodNotAllowed();
      return this.#generic[verb];
    }
    const special = this.#options.special.get(`${key}/${subresource}`);
    if (special !== undefined) return special[verb] ?? refuseMethod;
    const definition = resource.subresources.find((s) => s.name === subresource);
    if (definition === undefined) throw notServed();
    if (!statusLike.has(subresource)) throw notServed();
    return this.#statusVerbs[verb] ?? refuseMethod;
  }
}

function refuseMethod(): Promise<void> {
  return Promise.reject(methodNotAllowed());
}
