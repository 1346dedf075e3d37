import { networkInterfaces } from 'node:os';
import { serveVirtualIp } from '../kube-proxy/userspace/virtual-ip.ts';
import type { Log } from '../lib/log.ts';
import { findTools } from '../runtime/process/tools.ts';
import type { PodNetworkChoice } from './pod-network.ts';

const SERVICE_PORT = 443;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface KubernetesEndpoint {
  /** Where pods find the apiserver, when it is not at the Service's own address: their environment says so. */
  readonly seenByPods: Endpoint | undefined;
  close(): Promise<void>;
}

/**
 * Makes the `kubernetes` Service's address work for the pods of this node. Where that cannot be (no root, or another cluster on
 * this machine has the address) pods are told the apiserver's own address instead.
 */
export async function serveKubernetesService(options: {
  readonly serviceIp: string;
  readonly network: PodNetworkChoice;
  readonly apiserver: Endpoint;
  readonly log: Log;
}): Promise<KubernetesEndpoint> {
  const { serviceIp, network, apiserver, log } = options;
  const tools = findTools(true, undefined);
  const gateway = networkInterfaces()[network.bridge]?.find((a) => a.family === 'IPv4')?.address;
  if (process.geteuid?.() !== 0 || gateway === undefined || !tools.has('ip')) {
    return { seenByPods: apiserver, close: () => Promise.resolve() };
  }
  const common = { backend: apiserver, log };
  const assign = { device: network.bridge, ip: tools.path('ip') };
  try {
    const served = await serveVirtualIp({ ...common, assign, address: serviceIp, port: SERVICE_PORT });
    return { seenByPods: undefined, close: () => served.close() };
  } catch (error) {
    log.warn('the address of the kubernetes Service is in use on this machine: pods are told another one', {
      address: serviceIp,
      error: String(error),
    });
    // The server's certificate has the bridge's address only where the server is on this machine.
    if (!isLoopback(apiserver.host)) return { seenByPods: apiserver, close: () => Promise.resolve() };
    const served = await serveVirtualIp({ ...common, address: gateway, port: 0 });
    return { seenByPods: { host: gateway, port: served.port }, close: () => served.close() };
  }
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === 'localhost';
}
