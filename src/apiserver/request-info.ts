import type { UserInfo } from '../api/user-info.ts';
import type { Attributes } from '../authz/authorizer.ts';
import { parseFieldSelector } from '../authz/field-selector.ts';
import { CausewayError } from '../lib/errors.ts';

/**
 * What a request is about, read from its method and target once. Authorisation, admission, handlers and the audit log all use this one
 * value, so that none of them can understand a URL differently from another.
 */
export interface RequestInfo {
  readonly resourceRequest: boolean;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the lower-case method for other requests. */
  verb: string;
  /** The decoded path without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly name: string;
  readonly subresource: string;
  /** What follows the subresource: `nodes/n1/proxy/metrics/cadvisor` has two. */
  readonly rest: readonly string[];
}

const methodVerbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Opening one of these changes something, whatever the method: a WebSocket is opened by GET. */
const connectSubresources = new Set(['exec', 'attach', 'portforward']);

const namespaceSubresources = new Set(['status', 'finalize']);

/** A query value as Kubernetes reads a boolean: present and anything but `false` and `0`. */
export function queryBoolean(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null) return false;
  return value !== '0' && value.toLowerCase() !== 'false';
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    throw new CausewayError('BadRequest', 'the request path is not valid percent-encoding');
  }
  // An encoded separator would mean one thing here and another to whoever decodes the path first.
  if (/[/\\\0]/.test(decoded)) {
    throw new CausewayError('BadRequest', 'the request path holds an encoded "/", "\\" or NUL');
  }
  return decoded;
}

/** The decoded segments of a path. `.`, `..` and empty segments are refused rather than cleaned: no path has two spellings. */
function pathSegments(rawPath: string): string[] {
  if (!rawPath.startsWith('/')) throw new CausewayError('BadRequest', 'the request target must be a path');
  const inner = rawPath.slice(1, rawPath.endsWith('/') && rawPath.length > 1 ? -1 : undefined);
  if (inner === '') return [];
  const segments = inner.split('/');
  for (let i = 0; i < segments.length; i++) {
    const segment = decodeSegment(segments[i] as string);
    segments[i] = segment;
    if (segment === '' || segment === '.' || segment === '..') {
      throw new CausewayError('BadRequest', 'the request path holds an empty, "." or ".." segment');
    }
  }
  return segments;
}

const noQuery = new URLSearchParams();

function singleName(query: URLSearchParams): string {
  const selector = query.get('fieldSelector');
  if (selector === null || !selector.includes('metadata.name')) return '';
  for (const term of selector.split(',')) {
    const match = /^metadata\.name==?([^=,%/\\]+)$/.exec(term.trim());
    if (match !== null) return match[1] as string;
  }
  return '';
}

/** Clients ask for the same again and again. A target with a query is read each time, and a long one is not kept. */
const known = new Map<string, RequestInfo>();
const MAX_KNOWN = 1_024;
const MAX_KNOWN_LENGTH = 256;

/** Kubernetes' `RequestInfo` of a method and target. Throws `BadRequest` for a target that can be read in two ways. */
export function requestInfo(method: string, target: string): RequestInfo {
  if (method.length + target.length > MAX_KNOWN_LENGTH || target.includes('?')) return readTarget(method, target);
  const key = `${method} ${target}`;
  let info = known.get(key);
  if (info === undefined) {
    info = readTarget(method, target);
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, info);
  }
  return info;
}

function readTarget(method: string, target: string): RequestInfo {
  const mark = target.indexOf('?');
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? noQuery : new URLSearchParams(target.slice(mark + 1));
  const segments = pathSegments(rawPath);
  const slash = rawPath.length > 1 && rawPath.endsWith('/') ? '/' : '';
  const path = rawPath.includes('%') ? `/${segments.join('/')}${slash}` : rawPath;
  const other = {
    resourceRequest: false,
    verb: method.toLowerCase(),
    path,
    query,
    group: '',
    version: '',
    namespace: '',
    resource: '',
    name: '',
    subresource: '',
    rest: [],
  };
  if (segments.length < 3 || (segments[0] !== 'api' && segments[0] !== 'apis')) return other;
  const grouped = segments[0] === 'apis';
  if (grouped && segments.length < 4) return other;
  const group = grouped ? (segments[1] as string) : '';
  const version = segments[grouped ? 2 : 1] as string;
  let parts = segments.slice(grouped ? 3 : 2);

  let verb = methodVerbs[method] ?? '';
  let watchPath = false;
  if (parts[0] === 'watch' || parts[0] === 'proxy') {
    if (parts.length < 2) throw new CausewayError('BadRequest', 'unable to determine kind and namespace from url');
    verb = parts[0];
    watchPath = true;
    parts = parts.slice(1);
  }

  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1] as string;
    if (parts.length > 2 && !namespaceSubresources.has(parts[2] as string)) parts = parts.slice(2);
  }
  const resource = parts[0] as string;
  let name = parts[1] ?? '';
  const subresource = watchPath ? '' : (parts[2] ?? '');
  if (name === '') {
    if (verb === 'get') verb = queryBoolean(query, 'watch') ? 'watch' : 'list';
    else if (verb === 'delete') verb = 'deletecollection';
    if (verb === 'list' || verb === 'watch' || verb === 'deletecollection') name = singleName(query);
  }
  if (resource === 'pods' && group === '' && connectSubresources.has(subresource)) verb = 'create';
  return {
    resourceRequest: true,
    verb,
    path,
    query,
    group,
    version,
    namespace,
    resource,
    name,
    subresource,
    rest: parts.slice(3),
  };
}

/** What the authoriser is asked. */
export function attributesOf(info: RequestInfo, user: UserInfo): Attributes {
  const selects = info.resourceRequest && SELECTING_VERBS.has(info.verb);
  const fieldSelector = selects ? parseFieldSelector(info.query.get('fieldSelector') ?? undefined) : undefined;
  return {
    user,
    verb: info.verb,
    resourceRequest: info.resourceRequest,
    namespace: info.namespace,
    apiGroup: info.group,
    apiVersion: info.version,
    resource: info.resource,
    subresource: info.subresource,
    name: info.name,
    path: info.path,
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

/** What a caller may see can depend on what it narrows its question to (KEP-4601). */
const SELECTING_VERBS: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);
