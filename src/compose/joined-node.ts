import { forbiddenLabels } from '../admission/node-restriction/node-labels.ts';
import type { Clock } from '../lib/clock.ts';
import { CausewayError, isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { IssuedCertificate } from '../pki/issued-certificate.ts';
import { caCertificates } from '../pki/trust.ts';
import { defaultNodeName } from './addresses.ts';
import { type NodeDirectory, openNodeDirectory } from './data-directory.ts';
import { type Invitation, joinCluster } from './joining/join.ts';
import { type Membership, NodeStore } from './joining/node-store.ts';
import { certificateExpired } from './joining/refusals.ts';
import type { KubeletSettings } from './kubelet-settings.ts';
import { type RunningJoinedNode, startMember } from './member-node.ts';
import { endAllPods, lastRuntime, startMachine } from './node-machine.ts';
import { isPodNetworkChosen } from './pod-network.ts';
import { StopSteps } from './stop-steps.ts';

export interface JoinedNodeOptions {
  readonly dataDirectory: string;
  /** What the command line says of the cluster: all of it to join, nothing of it needed later. */
  readonly invitation: Partial<Invitation>;
  /** Default: the machine's host name. */
  readonly nodeName?: string;
  /** Default: from which the server is reached. */
  readonly nodeIp?: string;
  /** The kubelet's; 0 takes a free one. */
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly kubelet: KubeletSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each step, in one line. */
  readonly progress: (line: string) => void;
  /** Aborts the start. */
  readonly signal: AbortSignal;
}

/**
 * Starts a node of a cluster that runs elsewhere, and joins it first when this machine is no node of it. Resolves when the Node says Ready. A server
 * that is away is waited for. Throws one line that says what is wrong and what to do.
 */
export async function startJoinedNode(options: JoinedNodeOptions): Promise<RunningJoinedNode> {
  const forbidden = forbiddenLabels(options.labels, undefined);
  if (forbidden.length > 0) {
    const why = 'a node may not give itself these labels, they would draw work to it';
    throw new CausewayError('BadRequest', `--node-labels ${forbidden.join(', ')}: ${why}`);
  }
  try {
    return await startOnce(options);
  } catch (error) {
    if (!isCode(error, 'Gone') || options.invitation.token === undefined) throw error;
    // It was removed while it was off, and may come again: its old certificates are forgotten by now.
    options.progress(error.message);
    return startOnce(options);
  }
}

async function startOnce(options: JoinedNodeOptions): Promise<RunningJoinedNode> {
  const directory = await openNodeDirectory(options.dataDirectory);
  const stops = new StopSteps(options.log);
  stops.push(() => directory.release());
  return stops.undoing(async () => {
    const store = await NodeStore.open(directory.root);
    const start = (membership: Membership, certificate: IssuedCertificate): Promise<RunningJoinedNode> =>
      startMember({ ...options, directory, store, membership, certificate }, stops);
    const kept = await keptMembership(options, directory, store);
    const { certificate, membership } = kept ?? {};
    const isInTime = certificate !== undefined && certificate.notAfter > options.clock.now();
    if (kept !== undefined && isInTime) return start(kept.membership, kept.certificate);
    const whyNot = kept && certificateExpired(kept.membership.nodeName, kept.certificate.notAfter);
    const invitation = wholeInvitation(options.invitation, whyNot);
    const nodeName = options.nodeName ?? membership?.nodeName ?? defaultNodeName();
    const joined = await joinCluster(invitation, { ...options, store, nodeName });
    return start({ server: invitation.server, nodeName }, joined);
  });
}

/** Joins, and starts nothing: a later start needs no token. Does nothing where this machine is a node of the cluster already. */
export async function joinOnly(options: Omit<JoinedNodeOptions, 'port' | 'labels' | 'kubelet'>): Promise<void> {
  const directory = await openNodeDirectory(options.dataDirectory);
  try {
    const store = await NodeStore.open(directory.root);
    const kept = await keptMembership(options, directory, store);
    if (kept !== undefined && kept.certificate.notAfter > options.clock.now()) return;
    const nodeName = options.nodeName ?? kept?.membership.nodeName ?? defaultNodeName();
    await joinCluster(wholeInvitation(options.invitation, undefined), { ...options, store, nodeName });
  } finally {
    await directory.release();
  }
}

/** Ends the pods of a node that runs no more, and gives back its network. */
export async function endNode(dataDirectory: string, clock: Clock, log: Log): Promise<void> {
  const directory = await openNodeDirectory(dataDirectory);
  const stops = new StopSteps(log);
  stops.push(() => directory.release());
  try {
    if (!isPodNetworkChosen(directory.root)) return;
    const kubelet = { runtime: await lastRuntime(directory.root) };
    const hidden = [directory.root];
    const machine = await startMachine({ directory, addresses: [], hidden, kubelet, clock, log }, stops);
    await endAllPods(await machine.runtime);
  } finally {
    await stops.stop();
  }
}

/** What an earlier start left. Throws when the command line means another node, or another cluster. */
async function keptMembership(
  { nodeName, invitation }: Pick<JoinedNodeOptions, 'nodeName' | 'invitation'>,
  { root }: NodeDirectory,
  store: NodeStore,
): Promise<{ readonly membership: Membership; readonly certificate: IssuedCertificate } | undefined> {
  const membership = await store.membership();
  const certificate = await store.certificate('client');
  if (membership === undefined || certificate === undefined) return undefined;
  const other = (what: string): CausewayError =>
    new CausewayError('Conflict', `data directory ${root} is the one of ${what}: give another one with --data-dir`);
  if (nodeName !== undefined && nodeName !== membership.nodeName) throw other(`node ${membership.nodeName}`);
  const { caPem, server } = invitation;
  if (caPem !== undefined) {
    const known = store.serverCa.current();
    if (!caCertificates(caPem, '--ca-cert').some((pem) => known.includes(pem))) {
      throw other('a node of another cluster');
    }
  }
  return { membership: server === undefined ? membership : { ...membership, server }, certificate };
}

/** Throws why a token is needed, or what is missing. */
function wholeInvitation({ server, token, caPem }: Partial<Invitation>, whyNot: CausewayError | undefined): Invitation {
  if (token === undefined && whyNot !== undefined) throw whyNot;
  if (server !== undefined && token !== undefined && caPem !== undefined) return { server, token, caPem };
  const missing = [
    ...(server === undefined ? ['--server'] : []),
    ...(token === undefined ? ['--token'] : []),
    ...(caPem === undefined ? ['--ca-cert'] : []),
  ];
  throw new CausewayError(
    'BadRequest',
    `this machine is no node yet, and ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing: run "causeway token create --print-join-command" on the server, and the command that it prints here`,
  );
}
