import { CausewayError, type ErrorCause, invalid } from '../../lib/errors.ts';
import type { HandlerContext } from '../handlers/endpoint.ts';
import { type KubeletClient, kubeletError, readError } from '../kubelet-client.ts';
import type { ApiRequest } from '../request.ts';
import { queryBoolean } from '../request-info.ts';
import { lifeOf } from '../request-life.ts';
import type { ResourceHandler } from '../router.ts';
import { containerOf, findPod, nodeNameOf, nodeOf } from './pod-target.ts';

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw new CausewayError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}

function cause(reason: string, field: string, message: string): ErrorCause {
  return { reason, field, message };
}

/** `PodLogOptions` as the kubelet is asked for them. Throws `Invalid` with Kubernetes' causes. */
export function logQuery(query: URLSearchParams, pod: string): URLSearchParams {
  const asked = new URLSearchParams();
  const causes: ErrorCause[] = [];
  for (const name of ['follow', 'previous', 'timestamps'] as const) {
    if (queryBoolean(query, name)) asked.set(name, 'true');
  }
  const tailLines = integer(query, 'tailLines');
  const limitBytes = integer(query, 'limitBytes');
  const sinceSeconds = integer(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime') ?? '';
  const stream = query.get('stream') ?? '';
  if (tailLines !== undefined && tailLines < 0) {
    causes.push(
      cause('FieldValueInvalid', 'tailLines', `Invalid value: ${tailLines}: must be greater than or equal to 0`),
    );
  }
  if (limitBytes !== undefined && limitBytes < 1) {
    causes.push(cause('FieldValueInvalid', 'limitBytes', `Invalid value: ${limitBytes}: must be greater than 0`));
  }
  if (sinceSeconds !== undefined && sinceTime !== '') {
    causes.push(
      cause(
        'FieldValueForbidden',
        'sinceSeconds',
        'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
      ),
    );
  } else if (sinceSeconds !== undefined && sinceSeconds < 1) {
    causes.push(cause('FieldValueInvalid', 'sinceSeconds', `Invalid value: ${sinceSeconds}: must be greater than 0`));
  }
  if (stream !== '' && stream !== 'All' && stream !== 'Stdout' && stream !== 'Stderr') {
    causes.push(
      cause(
        'FieldValueNotSupported',
        'stream',
        `Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stderr", "Stdout"`,
      ),
    );
  } else if (tailLines !== undefined && (stream === 'Stdout' || stream === 'Stderr')) {
    causes.push(
      cause('FieldValueForbidden', '', 'Forbidden: `tailLines` and specific `stream` are mutually exclusive for now'),
    );
  }
  if (causes.length > 0) throw invalid('', 'PodLogOptions', pod, causes);
  if (tailLines !== undefined) asked.set('tailLines', String(tailLines));
  if (limitBytes !== undefined) asked.set('limitBytes', String(limitBytes));
  if (sinceSeconds !== undefined) asked.set('sinceSeconds', String(sinceSeconds));
  if (sinceTime !== '') asked.set('sinceTime', sinceTime);
  if (stream !== '') asked.set('stream', stream);
  return asked;
}

/** GET pods/NAME/log: the kubelet's text, streamed as it comes and only as fast as the client reads. */
export function logHandler(context: HandlerContext, kubelets: KubeletClient): ResourceHandler {
  return async (request, endpoint) => {
    const { info } = request;
    if (queryBoolean(info.query, 'insecureSkipTLSVerifyBackend')) {
      throw new CausewayError(
        'BadRequest',
        'insecureSkipTLSVerifyBackend is not supported: the kubelet is always verified',
      );
    }
    const pod = await findPod(endpoint.cache, info.namespace, info.name);
    const query = logQuery(info.query, info.name);
    const container = containerOf(pod, info.query.get('container') ?? '');
    if (nodeNameOf(pod) === '') {
      // Nothing has been written yet: no error, as in Kubernetes.
      request.exchange.respond(200, { 'content-type': 'text/plain' }, Buffer.alloc(0));
      return;
    }
    const node = await nodeOf(context, pod);
    const parts = ['containerLogs', info.namespace, info.name, container].map(encodeURIComponent);
    const target = `/${parts.join('/')}${query.size === 0 ? '' : `?${query}`}`;
    const { signal, end } = lifeOf(context, request);
    try {
      const response = await fetched(kubelets.request(node, { method: 'GET', target, headers: {} }, signal), target);
      if (response.statusCode !== 200) {
        const text = await readError(response);
        response.destroy();
        throw kubeletError(node, response.statusCode ?? 0, text);
      }
      await stream(request, response, signal);
    } finally {
      end();
    }
  };
}

async function fetched<T>(fetching: Promise<T>, target: string): Promise<T> {
  try {
    return await fetching;
  } catch (error) {
    if (!(error instanceof CausewayError) || (error.code !== 'BadGateway' && error.code !== 'Timeout')) throw error;
    const path = target.split('?')[0];
    throw new CausewayError('BadGateway', `Get "https://kubelet${path}": ${error.message}`);
  }
}

async function stream(
  request: ApiRequest,
  response: AsyncIterable<Buffer> & { destroy(): void },
  signal: AbortSignal,
): Promise<void> {
  const writer = request.exchange.stream(200, { 'content-type': 'text/plain' });
  try {
    for await (const chunk of response) {
      if (!writer.write(chunk)) await writer.drained(signal);
    }
    writer.end();
  } catch {
    response.destroy();
    // The client left or its credential ended: nobody is there to be told. Otherwise it must see that the text is not whole.
    if (request.signal.aborted) return;
    if (signal.aborted) writer.end();
    else writer.abort();
  }
}
