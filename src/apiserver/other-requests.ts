import type { Codec } from '../api/codec/codec.ts';
import { respondBytes, respondJson } from './content/respond.ts';
import type { DiscoveryDocuments } from './discovery/discovery-documents.ts';
import { answerDiscovery } from './discovery/discovery-handlers.ts';
import { type ApiDocuments, answerOpenApiV2, answerOpenApiV3 } from './discovery/openapi-handlers.ts';
import { answerHealth, type HealthCheck } from './health.ts';
import type { RequestMetrics } from './metrics/request-metrics.ts';
import type { ApiRequest } from './request.ts';
import type { Handler } from './router.ts';
import { methodNotAllowed, PageNotFoundError } from './status.ts';

export interface OtherRequests {
  readonly discovery: DiscoveryDocuments;
  readonly codec: Codec;
  readonly documents: ApiDocuments;
  readonly checks: readonly HealthCheck[];
  readonly metrics: RequestMetrics;
  readonly version: Readonly<Record<string, string>>;
  readonly issuer: string;
  jwks(): unknown;
  serverAddress(): string;
}

const openIdConfiguration = '/.well-known/openid-configuration';
const jwksPath = '/openid/v1/jwks';

/** One row for each path that is no resource; the longest prefix wins. */
function rows(options: OtherRequests): readonly (readonly [string, Handler])[] {
  const discovery: Handler = (request) =>
    answerDiscovery(request, options.discovery, options.codec, options.serverAddress());
  const health: Handler = (request) => answerHealth(request, options.checks);
  return [
    ['/livez', health],
    ['/readyz', health],
    ['/healthz', health],
    ['/version', (request) => respondJson(request, 200, options.version)],
    ['/api', discovery],
    ['/apis', discovery],
    ['/openapi/v2', (request) => answerOpenApiV2(request, options.documents)],
    ['/openapi/v3', (request) => answerOpenApiV3(request, options.documents)],
    ['/metrics', (request) => answerMetrics(request, options.metrics)],
    [
      openIdConfiguration,
      (request) =>
        respondJson(request, 200, {
          issuer: options.issuer,
          jwks_uri: `${options.issuer.replace(/\/$/, '')}${jwksPath}`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['ES256'],
        }),
    ],
    [
      jwksPath,
      (request) =>
        respondBytes(request, 200, 'application/jwk-set+json', Buffer.from(JSON.stringify(options.jwks())), {
          'cache-control': 'public, max-age=3600',
        }),
    ],
  ];
}

async function answerMetrics(request: ApiRequest, metrics: RequestMetrics): Promise<void> {
  const text = await metrics.registry.metrics();
  await respondBytes(request, 200, metrics.registry.contentType, Buffer.from(text));
}

/** Answers every request that is about no resource. */
export function otherRequests(options: OtherRequests): Handler {
  const table = rows(options);
  const root = { paths: [...table.map(([path]) => path), ...options.discovery.paths()].sort() };
  return (request) => {
    const { path } = request.info;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw table.some(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))
        ? methodNotAllowed()
        : new PageNotFoundError();
    }
    if (path === '/') return respondJson(request, 200, root);
    for (const [prefix, handler] of table) {
      if (path === prefix || path.startsWith(`${prefix}/`)) return handler(request);
    }
    throw new PageNotFoundError();
  };
}
