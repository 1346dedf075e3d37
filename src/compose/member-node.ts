import { networkInterfaces } from 'node:os';
import { NODES, SERVICES } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { sleep } from '../lib/deadline.ts';
import { CausewayError, isCode } from '../lib/errors.ts';
import { PathRegistry } from '../paths/registry.ts';
import type { IssuedCertificate } from '../pki/issued-certificate.ts';
import { checkPort } from './addresses.ts';
import type { NodeDirectory } from './data-directory.ts';
import type { JoinedNodeOptions } from './joined-node.ts';
import { takeTrust } from './joining/cluster-trust.ts';
import { untilReached } from './joining/connect-failure.ts';
import { JoinedCredentials } from './joining/joined-credentials.ts';
import type { Membership, NodeStore } from './joining/node-store.ts';
import { certificateExpired, certificateRefused, nodeRemoved } from './joining/refusals.ts';
import { startNodeAgent } from './node-agent.ts';
import { nodeClient } from './node-client.ts';
import { endAllPods, type NodeMachine, startMachine } from './node-machine.ts';
import { isPodNetworkChosen } from './pod-network.ts';
import type { StopSteps } from './stop-steps.ts';

const HTTPS_PORT = 443;
/** A refusal is believed when it comes twice: an apiserver that starts may not know yet. */
const ASK_AGAIN_MS = 1_000;

export interface RunningJoinedNode {
  readonly nodeName: string;
  readonly address: string;
  readonly port: number;
  /** Rejects, with everything ended, when this node is none any more; its pods are ended too when it was removed from the cluster. */
  readonly ended: Promise<void>;
  /** Ends the node; its pods run on, and the next start takes them up, but for a shutdown grace period: then they end within it. */
  stop(hurry: AbortSignal): Promise<void>;
}

export interface MemberOptions extends JoinedNodeOptions {
  readonly directory: NodeDirectory;
  readonly store: NodeStore;
  readonly membership: Membership;
  readonly certificate: IssuedCertificate;
}

/** What the control plane says at the first contact. */
interface Welcome {
  readonly podCidr: string | undefined;
  /** Of the `kubernetes` Service. */
  readonly serviceIp: string;
}

/** Runs a node that has joined. Throws `Gone` when it was removed from the cluster since: its pods are ended then. */
export async function startMember(options: MemberOptions, stops: StopSteps): Promise<RunningJoinedNode> {
  const { store, membership, clock, progress, signal, port } = options;
  const { server, nodeName } = membership;
  const url = new URL(server);
  const apiserver = {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? HTTPS_PORT : Number(url.port),
  };
  const credentials = new JoinedCredentials({ ...options, nodeName, first: options.certificate });
  stops.push(async () => credentials.close());
  // Pods of an earlier start are taken up at once, whether the server can be reached or not.
  const early = await earlyMachine(options, stops);
  const observer = new PathRegistry({ clock });
  let localAddress = '';
  const connected = (address: string): void => {
    localAddress = address;
  };
  const client = nodeClient({ nodeName, apiserver, credentials, observer, connected });
  credentials.use(client);
  stops.push(async () => client.close());
  const contact = (): Promise<Welcome> =>
    untilReached(server, () => firstContact(client, credentials, options), {
      withStrangers: true,
      clock,
      signal,
      progress,
    }).catch(async (error: unknown) => {
      if (isCode(error, 'Gone') && early !== undefined) await endAllPods(await early.runtime);
      throw error;
    });
  const kept = early === undefined ? undefined : keptWelcome(options);
  const welcome = kept ?? (await contact());
  const address = options.nodeIp ?? (kept === undefined ? localAddress : (membership.address ?? ''));
  if (!isOwnAddress(address)) {
    throw new CausewayError('BadRequest', `--node-ip ${address}: is no address of this machine`);
  }
  await checkPort(port, address, '--port');
  await store.saveMembership({ ...membership, address, serviceIp: welcome.serviceIp });
  const machine = early ?? (await startMachine(machineOptions(options, address, welcome.podCidr), stops));
  const node = await startNodeAgent(
    {
      ...options,
      ...welcome,
      nodeName,
      address,
      machine,
      credentials,
      client,
      apiserver,
      observer,
      ...(kept === undefined ? {} : { contact }),
    },
    stops,
  );
  const isGraceful = options.kubelet.shutdown.totalMs > 0;
  let end = (hurry: AbortSignal): Promise<void> => (isGraceful ? node.shutdown(hurry) : node.leave());
  stops.push((hurry) => end(hurry));
  const ended = node.removed.catch(async (error: unknown) => {
    if (isCode(error, 'Gone')) {
      progress(`node ${nodeName} was removed from the cluster: its pods end`);
      end = (hurry) => node.shutdown(hurry);
    }
    await stops.stop();
    throw error;
  });
  ended.catch(() => undefined);
  return { nodeName, address, port: node.port, ended, stop: (hurry) => stops.stop(hurry) };
}

/** What was said last, where static pods are to start whether the server can be reached or not. */
function keptWelcome({ kubelet, membership: { serviceIp } }: MemberOptions): Welcome | undefined {
  return kubelet.podManifestPath === undefined || serviceIp === undefined
    ? undefined
    : { podCidr: undefined, serviceIp };
}

function machineOptions(
  { directory, kubelet, clock, log }: MemberOptions,
  address: string,
  podCidr: string | undefined,
) {
  return {
    directory,
    addresses: [address],
    hidden: [directory.root],
    kubelet,
    clock,
    log,
    ...(podCidr === undefined ? {} : { podCidr }),
  };
}

async function earlyMachine(options: MemberOptions, stops: StopSteps): Promise<NodeMachine | undefined> {
  const { address } = options.membership;
  if (address === undefined || !isOwnAddress(address)) return undefined;
  if (options.nodeIp !== undefined && options.nodeIp !== address) return undefined;
  if (!isPodNetworkChosen(options.directory.root)) return undefined;
  return startMachine(machineOptions(options, address, undefined), stops);
}

/** Takes the cluster's trust, and what this node needs to know. Throws what a person has to do when this is no node of it any more. */
async function firstContact(
  client: RestClient,
  credentials: JoinedCredentials,
  { store, membership: { nodeName }, certificate, clock, signal }: MemberOptions,
): Promise<Welcome> {
  const ask = async (): Promise<Welcome> => {
    const node = await client.get(NODES, '', nodeName, signal);
    if (node.metadata.uid !== credentials.nodeUid()) throw nodeRemoved(nodeName);
    const podCidr = node.spec?.podCIDR;
    if (podCidr === undefined)
      throw new CausewayError('Timeout', 'the control plane has given this node no pod network yet');
    await takeTrust(client, store, signal);
    const service = await client.get(SERVICES, 'default', 'kubernetes', signal);
    return { podCidr, serviceIp: service.spec?.clusterIP ?? '' };
  };
  let welcome: Welcome;
  try {
    welcome = await ask().catch(async (error: unknown) => {
      if (!isCode(error, 'Forbidden') && !isCode(error, 'NotFound')) throw error;
      await sleep(ASK_AGAIN_MS, signal);
      return ask();
    });
  } catch (error) {
    if (isCode(error, 'Unauthorized')) {
      if (certificate.notAfter <= clock.now()) throw certificateExpired(nodeName, certificate.notAfter);
      throw certificateRefused(nodeName, error);
    }
    if (isCode(error, 'NotFound') || isCode(error, 'Forbidden') || isCode(error, 'Gone')) {
      await store.forgetCertificates();
      throw nodeRemoved(nodeName);
    }
    throw error;
  }
  // A serving certificate that is refused does not mean that the node was removed.
  await credentials.start();
  return welcome;
}

function isOwnAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((own) => own.address === address));
}
