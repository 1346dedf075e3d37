import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { createCriRuntime } from '../runtime/cri/cri-runtime.ts';
import { findRuntimeSocket } from '../runtime/cri/find-socket.ts';
import { createProcessRuntime } from '../runtime/process/process-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { NodeDirectory } from './data-directory.ts';
import type { KubeletSettings } from './kubelet-settings.ts';
import { choosePodNetwork, type PodNetworkChoice } from './pod-network.ts';
import type { StopSteps } from './stop-steps.ts';

/** Of the container runtime that has the pods; absent where they are processes. */
const SOCKET_FILE = 'container-runtime';

/** What of a machine runs pods. */
export interface NodeMachine {
  readonly network: PodNetworkChoice;
  /** It takes up the pods of an earlier start, which takes a while: other things may start meanwhile. */
  readonly runtime: Promise<Runtime>;
}

/** Chooses the pods' network and starts the container runtime. */
export async function startMachine(
  options: {
    readonly directory: NodeDirectory;
    /** The node's own addresses. */
    readonly addresses: readonly string[];
    /** Paths that no pod may see. */
    readonly hidden: readonly string[];
    /** The pods' network that the cluster gave this node; absent where the node chooses. */
    readonly podCidr?: string;
    readonly kubelet: Pick<KubeletSettings, 'runtime'>;
    readonly clock: Clock;
    readonly log: Log;
  },
  stops: StopSteps,
): Promise<NodeMachine> {
  const { directory, addresses, hidden, clock, log } = options;
  const { runtime: choice } = options.kubelet;
  // What is wrong with it is said before anything is made.
  const socketPath = choice.name === 'cri' ? findRuntimeSocket(choice.socketPath) : undefined;
  if (socketPath === undefined) await rm(join(directory.root, SOCKET_FILE), { force: true });
  else await writeFile(join(directory.root, SOCKET_FILE), socketPath, { mode: 0o600 });
  const network = await choosePodNetwork(directory.root, options.podCidr);
  stops.push(() => network.release());
  const common = { stateDirectory: directory.runtimeDirectory, nodeAddresses: addresses, log, clock };
  const runtime =
    socketPath === undefined
      ? createProcessRuntime({
          ...common,
          nodePodCidr: network.podCidr,
          bridgeName: network.bridge,
          hidden,
          podsDirectory: directory.podsDirectory,
        })
      : createCriRuntime({ ...common, socketPath });
  // It may have pods of an earlier start in its hands before anything else stands.
  stops.push(async () => (await runtime.catch(() => undefined))?.close());
  // CNI makes the pods' network: what they reach here is an address of the node, on no bridge of ours.
  return { network: socketPath === undefined ? network : { ...network, bridge: 'lo' }, runtime };
}

/** With what the pods of the last start were run. */
export async function lastRuntime(root: string): Promise<KubeletSettings['runtime']> {
  const socketPath = await readFile(join(root, SOCKET_FILE), 'utf8').catch(() => undefined);
  return socketPath === undefined ? { name: 'process' } : { name: 'cri', socketPath };
}

/** Ends everything that runs as a pod, and whose pods nobody knows any more. */
export async function endAllPods(runtime: Runtime): Promise<void> {
  for (const { id } of await runtime.listPodSandboxes()) {
    await runtime.stopPodSandbox(id);
    await runtime.removePodSandbox(id);
  }
}
