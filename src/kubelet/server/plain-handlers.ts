import type { ServerResponse } from 'node:http';
import { CausewayError } from '../../lib/errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { CpuRates } from './cpu-rates.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { KubeletRoute } from './kubelet-routes.ts';
import { MAX_LOG_REQUESTS } from './limits.ts';
import { serveLogs } from './log-handler.ts';
import { flag } from './log-query.ts';
import { answer } from './plain-exchange.ts';
import type { PodProvider } from './pod-provider.ts';
import { statsSummary } from './stats-summary.ts';
import { readUsage } from './usage.ts';
import { cadvisorMetrics, resourceMetrics } from './usage-metrics.ts';

const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';

export interface PlainDependencies {
  readonly nodeName: string;
  readonly pods: PodProvider;
  readonly runtime: Pick<Runtime, 'containerStats'>;
  readonly metrics: KubeletMetrics;
  readonly rates: CpuRates;
  /** Log requests that are under way. */
  readonly logs: { open: number };
}

export interface PlainRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly nowMs: number;
  /** Aborts when the client went away, its credential ended, or the node stops. */
  readonly signal: AbortSignal;
}

/** Serves a request that is no upgrade. Throws `CausewayError` while nothing was sent. */
export async function servePlain(
  dependencies: PlainDependencies,
  route: KubeletRoute,
  request: PlainRequest,
  response: ServerResponse,
): Promise<void> {
  const { pods, runtime, metrics, rates, nodeName } = dependencies;
  if (!isMethodOf(route, request.method)) throw new CausewayError('MethodNotAllowed', 'Method Not Allowed');
  switch (route.kind) {
    case 'exec':
    case 'attach':
    case 'portForward':
      throw new CausewayError('BadRequest', 'Upgrade request required');
    case 'logs':
      return countedLogs(dependencies, route, request, response);
    case 'healthz':
      return answer(response, 200, 'text/plain; charset=utf-8', 'ok');
    case 'pods':
      return answer(response, 200, 'application/json', podList(pods));
    case 'metrics':
      return answer(response, 200, PROMETHEUS, await metrics.registry.metrics());
    case 'cadvisor':
      return answer(response, 200, PROMETHEUS, cadvisorMetrics(await readUsage(pods, runtime, request.nowMs)));
    case 'resource':
      return answer(response, 200, PROMETHEUS, resourceMetrics(await readUsage(pods, runtime, request.nowMs)));
    case 'summary': {
      const short = flag(request.query.get('only_cpu_and_memory'));
      const summary = statsSummary(await readUsage(pods, runtime, request.nowMs), nodeName, rates, short);
      return answer(response, 200, 'application/json', JSON.stringify(summary));
    }
  }
}

async function countedLogs(
  { pods, logs }: PlainDependencies,
  route: KubeletRoute & { readonly kind: 'logs' },
  request: PlainRequest,
  response: ServerResponse,
): Promise<void> {
  if (logs.open >= MAX_LOG_REQUESTS) {
    throw new CausewayError('TooManyRequests', `more than ${MAX_LOG_REQUESTS} requests for logs at once`);
  }
  logs.open++;
  try {
    await serveLogs(pods, route, request, response);
  } finally {
    logs.open--;
  }
}

function isMethodOf({ kind }: KubeletRoute, method: string): boolean {
  const streaming = kind === 'exec' || kind === 'attach' || kind === 'portForward';
  return method === 'GET' || method === 'HEAD' || (streaming && method === 'POST');
}

function podList(pods: PodProvider): string {
  const items = pods.pods().map(({ object }) => object);
  return JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });
}
