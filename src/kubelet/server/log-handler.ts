import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { CausewayError } from '../../lib/errors.ts';
import { readLog } from '../../streaming/logs/log-reader.ts';
import { logInstance } from './log-instance.ts';
import { parseLogQuery } from './log-query.ts';
import type { PodProvider } from './pod-provider.ts';

/** Serves `/containerLogs`. Throws `CausewayError` while nothing was sent. */
export async function serveLogs(
  pods: PodProvider,
  what: { readonly namespace: string; readonly pod: string; readonly container: string },
  request: { readonly query: URLSearchParams; readonly nowMs: number; readonly signal: AbortSignal },
  response: ServerResponse,
): Promise<void> {
  const { previous, options } = parseLogQuery(request.query, request.nowMs);
  const pod = pods.find(what.namespace, what.pod);
  if (pod === undefined) throw new CausewayError('NotFound', `pod ${JSON.stringify(what.pod)} does not exist`);
  const container = pod.containers.find(({ name }) => name === what.container);
  if (container === undefined) {
    throw new CausewayError(
      'NotFound',
      `container ${JSON.stringify(what.container)} not found in pod ${JSON.stringify(what.pod)}`,
    );
  }
  const instance = logInstance(pod.name, container, previous);
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  if (instance.logPath === undefined) {
    // As Kubernetes' kubelet says it, and where.
    response.end(`unable to retrieve container logs for ${instance.id}`);
    return;
  }
  for await (const text of readLog({ path: instance.logPath, ended: instance.ended }, options, request.signal)) {
    if (!response.write(text)) await once(response, 'drain', { signal: request.signal }).catch(() => undefined);
    if (request.signal.aborted) break;
  }
  response.end();
}
