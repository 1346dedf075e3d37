import { parseMediaType } from '../content/accept.ts';
import { respondBytes, respondJson } from '../content/respond.ts';
import type { ApiRequest } from '../request.ts';
import { notServed } from '../status.ts';
import type { DiscoveryDocuments, Document } from './discovery-documents.ts';

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

/** `/api`, `/apis` and what is below them without naming a resource. `serverAddress` is host and port for old clients. */
export async function answerDiscovery(
  request: ApiRequest,
  documents: DiscoveryDocuments,
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
    if (root === 'apis') return respondDocument(request, 'application/json', documents.groupList());
    return respondJson(request, 200, {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
    });
  }
  const found =
    root === 'api'
      ? second === undefined
        ? documents.resourceList('', first)
        : undefined
      : second === undefined
        ? documents.group(first)
        : documents.resourceList(first, second);
  if (found === undefined) throw notServed();
  return respondDocument(request, 'application/json', found);
}
