import type { KubeObject } from '../../api/object.ts';
import { CausewayError } from '../../lib/errors.ts';
import { admissionAttributes, type Endpoint, type HandlerContext } from '../handlers/endpoint.ts';
import type { KubeletClient, KubeletUpgrade } from '../kubelet-client.ts';
import type { ApiRequest } from '../request.ts';
import { queryBoolean } from '../request-info.ts';
import { lifeOf } from '../request-life.ts';
import type { ResourceHandler } from '../router.ts';
import { methodNotAllowed } from '../status.ts';
import { containerOf, findPod, nodeOf } from './pod-target.ts';
import { relay } from './relay.ts';
import { isStreamingUpgrade, upgradeRequestHeaders, upgradeResponseHead } from './upgrade-headers.ts';

/** How one of the three is asked of the kubelet. */
interface StreamKind {
  readonly optionsKind: string;
  /** Query parameters that mean something; anything else stays here. */
  options(query: URLSearchParams): Record<string, unknown>;
  /** The kubelet's path and query. */
  target(pod: KubeObject, options: Record<string, unknown>): string;
}

function podPath(kind: string, pod: KubeObject, ...more: readonly string[]): string {
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  return `/${[kind, namespace, name, uid, ...more].map(encodeURIComponent).join('/')}`;
}

function commandOptions(query: URLSearchParams): Record<string, unknown> {
  return {
    stdin: queryBoolean(query, 'stdin'),
    stdout: queryBoolean(query, 'stdout'),
    stderr: queryBoolean(query, 'stderr'),
    tty: queryBoolean(query, 'tty'),
    container: query.get('container') ?? '',
  };
}

/** The kubelet has names of its own for the streams. */
function commandQuery(options: Record<string, unknown>): URLSearchParams {
  const query = new URLSearchParams();
  if (options['stdin'] === true) query.set('input', '1');
  if (options['stdout'] === true) query.set('output', '1');
  if (options['stderr'] === true) query.set('error', '1');
  if (options['tty'] === true) query.set('tty', '1');
  for (const argument of (options['command'] ?? []) as string[]) query.append('command', argument);
  return query;
}

const exec: StreamKind = {
  optionsKind: 'PodExecOptions',
  options: (query) => ({ ...commandOptions(query), command: query.getAll('command') }),
  target: (pod, options) =>
    `${podPath('exec', pod, containerOf(pod, options['container'] as string))}?${commandQuery(options)}`,
};

const attach: StreamKind = {
  optionsKind: 'PodAttachOptions',
  options: commandOptions,
  target: (pod, options) =>
    `${podPath('attach', pod, containerOf(pod, options['container'] as string))}?${commandQuery(options)}`,
};

const portForward: StreamKind = {
  optionsKind: 'PodPortForwardOptions',
  options: (query) => ({ ports: portsOf(query) }),
  target: (pod, options) => {
    const ports = options['ports'] as number[];
    return `${podPath('portForward', pod)}${ports.length === 0 ? '' : `?port=${ports.join(',')}`}`;
  },
};

function portsOf(query: URLSearchParams): number[] {
  return query
    .getAll('ports')
    .flatMap((value) => value.split(','))
    .filter((value) => value !== '')
    .map((value) => {
      const port = Number(value);
      if (!/^\d{1,5}$/.test(value) || port < 1 || port > 65_535) {
        throw new CausewayError('BadRequest', `invalid port value ${JSON.stringify(value)}`);
      }
      return port;
    });
}

export const streamKinds = { exec, attach, portforward: portForward } as const;

export interface StreamDependencies {
  readonly context: HandlerContext;
  readonly kubelets: KubeletClient;
}

/**
 * exec, attach or portforward of a pod: admission, then the pod's node, then the bytes of the upgraded connection as they are. Authorisation
 * came before, as `create`.
 */
export function streamHandler(dependencies: StreamDependencies, kind: StreamKind): ResourceHandler {
  const { context, kubelets } = dependencies;
  return async (request, endpoint) => {
    const { exchange, info } = request;
    if (exchange.method !== 'GET' && exchange.method !== 'POST') throw methodNotAllowed();
    if (!isStreamingUpgrade(exchange)) throw new CausewayError('BadRequest', 'Upgrade request required');
    const options = kind.options(info.query);
    await admitConnect(context, endpoint, request, kind.optionsKind, options);
    const pod = await findPod(endpoint.cache, info.namespace, info.name);
    const target = kind.target(pod, options);
    const node = await nodeOf(context, pod);
    const headers = upgradeRequestHeaders(exchange);
    // The client may leave while the kubelet is dialled.
    const upgraded = await dialled(
      kubelets.upgrade(node, { method: exchange.method, target, headers }, request.signal),
    );
    await passThrough(context, request, upgraded);
  };
}

async function admitConnect(
  context: HandlerContext,
  endpoint: Endpoint,
  request: ApiRequest,
  optionsKind: string,
  options: Record<string, unknown>,
): Promise<void> {
  const { info } = request;
  await context.admission.run(
    admissionAttributes(request, endpoint.resource, {
      operation: 'CONNECT',
      namespace: info.namespace,
      name: info.name,
      object: { apiVersion: 'v1', kind: optionsKind, metadata: {}, ...options },
      oldObject: undefined,
      dryRun: false,
      kind: { group: '', version: 'v1', kind: optionsKind },
    }),
  );
}

/** Kubernetes' sentence for a node that cannot be reached or verified. */
async function dialled<T>(dialling: Promise<T>): Promise<T> {
  try {
    return await dialling;
  } catch (error) {
    if (!(error instanceof CausewayError) || (error.code !== 'BadGateway' && error.code !== 'Timeout')) throw error;
    throw new CausewayError('BadGateway', `error dialing backend: ${error.message}`);
  }
}

async function passThrough(context: HandlerContext, request: ApiRequest, upgraded: KubeletUpgrade): Promise<void> {
  const { exchange } = request;
  const upgrade = exchange.upgrade;
  if (upgrade === undefined || exchange.signal.aborted) {
    upgraded.socket.destroy();
    return;
  }
  const { socket: client, head } = upgrade.takeOver();
  const kubelet = upgraded.socket;
  client.write(upgradeResponseHead(upgrade.protocol, upgraded.headers, request.auditId));
  if (head.length > 0) kubelet.write(head);
  if (upgraded.head.length > 0) client.write(upgraded.head);
  const life = lifeOf(context, request);
  try {
    await relay(client, kubelet, life.signal);
  } finally {
    life.end();
  }
}
