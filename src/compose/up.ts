import type { Pod } from '../api/generated/types.ts';
import { unsupportedFields } from '../kubelet/unsupported-fields.ts';
import { systemClock } from '../lib/clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { checkPort, defaultNodeName, firstAddress, localAddress } from './addresses.ts';
import { type ClusterDirectory, openClusterDirectory } from './data-directory.ts';
import { issueNodeCredentials } from './issued-node-credentials.ts';
import { type KubeletSettings, kubeletSettings } from './kubelet-settings.ts';
import { startNodeAgent } from './node-agent.ts';
import { nodeClient } from './node-client.ts';
import { startMachine } from './node-machine.ts';
import { untilUsable } from './ready.ts';
import {
  checkServerOptions,
  type RunningServer,
  removeAdminKubeconfig,
  type ServerOptions,
  startServer,
  writeAdminKubeconfig,
} from './server.ts';
import { StopSteps } from './stop-steps.ts';

export interface UpOptions extends ServerOptions {
  readonly dataDirectory: string;
  /** Default: the machine's host name. */
  readonly nodeName?: string;
  /** Default: as without flags. */
  readonly kubelet?: KubeletSettings;
}

export interface RunningCluster {
  readonly url: string;
  readonly adminKubeconfig: string;
  readonly nodeName: string;
  /** Ends every pod within its grace period, then everything else; when `hurry` aborts, pods end at once. */
  stop(hurry?: AbortSignal): Promise<void>;
}

/** Starts a control plane and one node. Resolves when `/readyz` answers, the node is Ready and pods can be made. */
export async function up(options: UpOptions): Promise<RunningCluster> {
  const { log, progress } = options;
  const nodeName = options.nodeName ?? defaultNodeName();
  checkServerOptions(options);
  await checkPort(options.securePort, options.bindAddress, '--secure-port');
  const directory = await openClusterDirectory(options.dataDirectory);
  const stops = new StopSteps(log);
  stops.push(() => directory.release());
  return stops.undoing(async () => {
    await removeAdminKubeconfig(directory);
    const server = await startAll(options, directory, nodeName, stops);
    const url = server.url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
    await writeAdminKubeconfig(directory, server, url, log, stops);
    progress(`admin credentials: ${directory.adminKubeconfig}`);
    return {
      url: server.url,
      adminKubeconfig: directory.adminKubeconfig,
      nodeName,
      stop: (hurry) => stops.stop(hurry),
    };
  });
}

async function startAll(
  options: UpOptions,
  directory: ClusterDirectory,
  nodeName: string,
  stops: StopSteps,
): Promise<RunningServer> {
  const { log, progress } = options;
  const clock = systemClock;
  const address = localAddress(options.bindAddress);
  const hidden = [directory.root];
  const kubelet = options.kubelet ?? kubeletSettings({});
  const machine = await startMachine({ directory, addresses: [address], hidden, kubelet, clock, log }, stops);
  // The apiserver asks what the runtime cannot honour only when a pod is made.
  let runtime: Runtime | undefined;
  const starting = machine.runtime.then((started) => {
    runtime = started;
  });
  const server = await startServer(
    {
      ...options,
      directory,
      // Pods are sent to the bridge where another cluster on this machine has the Service's address.
      podsAt: [firstAddress(machine.network.podCidr)],
      unsupportedPodFields: (pod) =>
        runtime === undefined ? ['anything: the node is starting'] : unsupportedFields(pod as Pod, runtime),
    },
    stops,
  );
  await starting;
  const { access, port, serviceIp } = server;
  const credentials = await issueNodeCredentials(
    access,
    { name: nodeName, address, podCidr: machine.network.podCidr },
    { clock, log },
  );
  stops.push(async () => credentials.close());
  const apiserver = { host: access.serverName, port };
  const { observer } = access;
  const node = await startNodeAgent(
    {
      nodeName,
      address,
      port: 0,
      labels: {},
      machine,
      credentials,
      client: nodeClient({ nodeName, apiserver, credentials, observer }),
      apiserver,
      serviceIp,
      directory,
      kubelet,
      observer,
      clock,
      log,
      progress,
    },
    stops,
  );
  stops.push((hurry) => node.shutdown(hurry));
  await untilUsable(access, nodeName);
  return server;
}
