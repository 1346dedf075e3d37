import type { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { PathObserver } from '../paths/observer.ts';
import type { NodeDirectory } from './data-directory.ts';
import type { KubeletSettings } from './kubelet-settings.ts';
import { type Endpoint, serveKubernetesService } from './kubernetes-service.ts';
import { type RunningNode, startNode } from './node.ts';
import type { NodeCredentials } from './node-credentials.ts';
import type { NodeMachine } from './node-machine.ts';
import type { StopSteps } from './stop-steps.ts';

export interface NodeAgentOptions {
  readonly nodeName: string;
  /** Where the kubelet listens, and what the Node object says. */
  readonly address: string;
  /** The kubelet's; 0 takes a free one. */
  readonly port: number;
  /** Labels of its own that the Node gets. */
  readonly labels: Readonly<Record<string, string>>;
  readonly machine: NodeMachine;
  readonly credentials: NodeCredentials;
  /** Shows the node's certificate; the node closes it. */
  readonly client: RestClient;
  readonly apiserver: Endpoint;
  /** Of the `kubernetes` Service. */
  readonly serviceIp: string;
  readonly directory: NodeDirectory;
  readonly kubelet: KubeletSettings;
  /** Awaited once static pods run, and before the apiserver is needed. */
  readonly contact?: () => Promise<unknown>;
  readonly observer: PathObserver;
  readonly clock: Clock;
  readonly log: Log;
  readonly progress: (line: string) => void;
}

/** What a node does, whatever its credentials come from: the kubelet, and the `kubernetes` Service for its pods. */
export async function startNodeAgent(options: NodeAgentOptions, stops: StopSteps): Promise<RunningNode> {
  const { nodeName, machine, log } = options;
  const runtime = await machine.runtime;
  const endpoint = await serveKubernetesService({
    serviceIp: options.serviceIp,
    network: machine.network,
    apiserver: options.apiserver,
    log: log.child('kube-proxy'),
  });
  stops.push(() => endpoint.close());
  const node = await startNode({
    ...options,
    runtime,
    podCidr: machine.network.podCidr,
    kubernetesEndpoint: endpoint.seenByPods,
  });
  const status = await runtime.status();
  const isolation = status.isolation.length === 0 ? 'nothing' : status.isolation.join(', ');
  options.progress(
    `node ${nodeName}: pods have of their own: ${isolation}${status.message === '' ? '' : `; ${status.message}`}`,
  );
  return node;
}
