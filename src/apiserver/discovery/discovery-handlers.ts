import type { Codec } from '../../api/codec/codec.ts';
import type { KubeObject } from '../../api/object.ts';
import { contentTypes, negotiate, parseMediaType } from '../content/accept.ts';
import { encode } from '../content/represent.ts';
import { respondBytes } from '../content/respond.ts';
import type { ApiRequest } from '../request.ts';
import { notServed, PageNotFoundError } from '../status.ts';
import { type DiscoveryDocuments, type Document, documentOf, documentOfBytes } from './discovery-documents.ts';

type Aggregated = 'v2' | 'v2beta1';

/** The version of aggregated discovery that the client asks for before anything else it accepts; undefined: the legacy documents. */
function aggregatedVersion(accept: string | undefined): Aggregated | undefined {
  for (const clause of (accept ?? '').split(',')) {
    const { type, parameters } = parseMediaType(clause);
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    if (parameters.get('as') === undefined) return undefined;
    if (parameters.get('g') !== 'apidiscovery.k8s.io' || parameters.get('as') !== 'APIGroupDiscoveryList') continue;
    const version = parameters.get('v');
    if (version === 'v2' || version === 'v2beta1') return version;
  }
  return undefined;
}

async function respondDocument(request: ApiRequest, contentType: string, document: Document): Promise<void> {
  const headers = { etag: document.etag, vary: 'Accept', 'cache-control': 'public' };
  if (request.exchange.header('if-none-match') === document.etag) {
    request.exchange.respond(304, headers);
    return;
  }
  await respondBytes(request, 200, contentType, document.bytes, headers);
}

/** A document of the times before aggregated discovery: an API object like any other, in the media type that the client accepts. */
async function respondLegacy(request: ApiRequest, codec: Codec, document: Document): Promise<void> {
  const { exchange, query } = request;
  const representation = negotiate(exchange.header('accept'), query, exchange.header('user-agent'), false);
  const { media, pretty } = representation;
  if (media === 'json' && !pretty) return respondDocument(request, contentTypes.json, document);
  // In JSON, Kubernetes leaves the version out of `APIVersions`.
  const object = { apiVersion: 'v1', ...(JSON.parse(document.bytes.toString()) as KubeObject) };
  await respondDocument(request, contentTypes[media], documentOfBytes(encode(codec, object, representation)));
}

/** `/api`, `/apis` and what is below them without naming a resource. `serverAddress` is host and port for old clients. */
export async function answerDiscovery(
  request: ApiRequest,
  documents: DiscoveryDocuments,
  codec: Codec,
  serverAddress: string,
): Promise<void> {
  const [root, first, second, ...more] = request.info.path.split('/').filter((p) => p !== '');
  if (more.length > 0 || (root !== 'api' && root !== 'apis')) throw notServed();
  if (first === undefined) {
    const version = aggregatedVersion(request.exchange.header('accept'));
    if (version !== undefined) {
      const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
      return respondDocument(request, type, documents.aggregated(root, version));
    }
    if (root === 'apis') return respondLegacy(request, codec, documents.groupList());
    const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress }];
    const versions = { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs };
    return respondLegacy(request, codec, documentOf(versions));
  }
  const found =
    root === 'api'
      ? second === undefined
        ? documents.resourceList('', first)
        : undefined
      : second === undefined
        ? documents.group(first)
        : documents.resourceList(first, second);
  if (found !== undefined) return respondLegacy(request, codec, found);
  throw root === 'api' || documents.group(first) !== undefined ? notServed() : new PageNotFoundError();
}
