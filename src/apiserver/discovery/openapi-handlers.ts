import { notAcceptable, parseMediaType } from '../content/accept.ts';
import { respondBytes } from '../content/respond.ts';
import type { ApiRequest } from '../request.ts';
import { PageNotFoundError } from '../status.ts';
import { type Document, documentOf } from './discovery-documents.ts';

/** The OpenAPI documents; `compose/` makes them from the schema. Each is made when first asked for. */
export interface ApiDocuments {
  v2Json(): Document;
  v2Protobuf(): Document;
  /** Paths such as `api/v1`, `apis/apps/v1`. */
  v3Paths(): readonly string[];
  v3(path: string): Document | undefined;
}

/** What clients ask for. Go's parser takes no `@` in a media type, so the answer is called by the second name. */
const v2ProtobufAsked = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const v2Protobuf = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const immutableSeconds = 31_536_000;

function accepts(request: ApiRequest, types: readonly string[]): string | undefined {
  const accept = request.exchange.header('accept') ?? '*/*';
  for (const clause of accept.split(',')) {
    const { type } = parseMediaType(clause);
    if (type === '*/*' || type === 'application/*') return types[0];
    if (types.includes(type)) return type;
  }
  return undefined;
}

async function respondDocument(
  request: ApiRequest,
  contentType: string,
  document: Document,
  cacheControl: string,
): Promise<void> {
  const headers = { etag: document.etag, vary: 'Accept', 'cache-control': cacheControl };
  if (request.exchange.header('if-none-match') === document.etag) request.exchange.respond(304, headers);
  else await respondBytes(request, 200, contentType, document.bytes, headers);
}

/** `/openapi/v2`: JSON, or the protobuf that kubectl up to 1.28 insists on. */
export function answerOpenApiV2(request: ApiRequest, documents: ApiDocuments): Promise<void> {
  const types = ['application/json', v2ProtobufAsked, v2Protobuf];
  const type = accepts(request, types);
  if (type === undefined) throw notAcceptable(types);
  if (type === 'application/json') return respondDocument(request, type, documents.v2Json(), 'no-cache, private');
  return respondDocument(request, v2Protobuf, documents.v2Protobuf(), 'no-cache, private');
}

let index: { readonly of: ApiDocuments; readonly document: Document } | undefined;

function v3Index(documents: ApiDocuments): Document {
  if (index?.of !== documents) {
    const paths: Record<string, { serverRelativeURL: string }> = {};
    for (const path of documents.v3Paths()) {
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(documents.v3(path) as Document)}` };
    }
    index = { of: documents, document: documentOf({ paths }) };
  }
  return index.document;
}

function hashOf(document: Document): string {
  return document.etag.slice(1, -1);
}

/** `/openapi/v3` and one document a group-version; a URL with the right `hash` may be cached for ever. */
export async function answerOpenApiV3(request: ApiRequest, documents: ApiDocuments): Promise<void> {
  const path = request.info.path.replace(/^\/openapi\/v3\/?/, '').replace(/\/$/, '');
  if (accepts(request, ['application/json']) === undefined) throw notAcceptable(['application/json']);
  if (path === '') return respondDocument(request, 'application/json', v3Index(documents), 'no-cache, private');
  const document = documents.v3(path);
  if (document === undefined) throw new PageNotFoundError();
  const asked = request.query.get('hash');
  if (asked !== null && asked !== hashOf(document)) {
    request.exchange.respond(301, { location: `/openapi/v3/${path}?hash=${hashOf(document)}` });
    return;
  }
  const caching = asked === null ? 'no-cache, private' : `public, immutable, max-age=${immutableSeconds}`;
  return respondDocument(request, 'application/json', document, caching);
}
