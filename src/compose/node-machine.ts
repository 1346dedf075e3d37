import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { createProcessRuntime } from '../runtime/process/process-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { NodeDirectory } from './data-directory.ts';
import { choosePodNetwork, type PodNetworkChoice } from './pod-network.ts';
import type { StopSteps } from './stop-steps.ts';

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
    readonly clock: Clock;
    readonly log: Log;
  },
  stops: StopSteps,
): Promise<NodeMachine> {
  const { directory, addresses, hidden, clock, log } = options;
  const network = await choosePodNetwork(directory.root, options.podCidr);
  stops.push(() => network.release());
  const runtime = createProcessRuntime({
    stateDirectory: directory.runtimeDirectory,
    nodePodCidr: network.podCidr,
    bridgeName: network.bridge,
    hidden,
    podsDirectory: directory.podsDirectory,
    nodeAddresses: addresses,
    log,
    clock,
  });
  // It may have pods of an earlier start in its hands before anything else stands.
  stops.push(async () => (await runtime.catch(() => undefined))?.close());
  return { network, runtime };
}

/** Ends everything that runs as a pod, and whose pods nobody knows any more. */
export async function endAllPods(runtime: Runtime): Promise<void> {
  for (const { id } of await runtime.listPodSandboxes()) {
    await runtime.stopPodSandbox(id);
    await runtime.removePodSandbox(id);
  }
}
