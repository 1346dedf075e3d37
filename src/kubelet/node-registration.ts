import type { Node, NodeStatus } from '../api/generated/types.ts';
import { LEASES, NODES } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { type Clock, rfc3339Micro } from '../lib/clock.ts';
import { backoff, sleep } from '../lib/deadline.ts';
import { type CausewayError, isCode, notFound } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type NodeFacts, type NodeHealth, nodeArchitecture, nodeStatus } from './node-status.ts';

/** Kubernetes' defaults: a lease of 40 s renewed four times in it; the whole status every 5 min or when it changes. */
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
const STATUS_MS = 300_000;
const LEASE_NAMESPACE = 'kube-node-lease';
const HOSTNAME_LABEL = 'kubernetes.io/hostname';

export interface RegistrationDependencies {
  readonly client: RestClient;
  readonly runtime: Runtime;
  readonly facts: NodeFacts;
  readonly podCidr: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** The Node object that this node is. */
  readonly nodeUid: () => string;
  /** Told when the apiserver refuses this node. Resolves when it makes sense to go on; rejects when this node is none any more. */
  readonly refused: (error: CausewayError) => Promise<void>;
  readonly health: () => NodeHealth;
  readonly clock: Clock;
  readonly log: Log;
}

/** Says in the Node object what this node is, and keeps it, and its lease, alive. Whoever gives the node its certificates has made the object. */
export class NodeRegistration {
  readonly #d: RegistrationDependencies;
  #statusAt = 0;
  #lastStatus = '';
  /** How often in a row the apiserver has not let this node read its own Node, which it may while it is one. */
  #refusals = 0;
  #awake = new AbortController();

  constructor(dependencies: RegistrationDependencies) {
    this.#d = dependencies;
  }

  /** Waits for an apiserver that is away. Throws `NotFound` when this node's object is gone, and whatever the apiserver refuses with. */
  async register(signal: AbortSignal): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        return await this.#register(signal);
      } catch (error) {
        if (signal.aborted || !(isCode(error, 'ServiceUnavailable') || isCode(error, 'Timeout'))) throw error;
        this.#d.log.warn('the apiserver does not answer: the node waits for it', { error: String(error) });
        await sleep(backoff(failures, 200, RENEW_MS), signal);
      }
    }
  }

  async #register(signal: AbortSignal): Promise<void> {
    const node = await this.#describe(await this.#own(signal), signal);
    await this.#writeStatus(node, signal);
    await this.#renewLease(node.metadata.uid ?? '', signal);
  }

  /** Renews the lease and the status until `signal` aborts. Rejects when this node is none any more. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    let told = '';
    let described = true;
    while (await this.#sleep(failures === 0 ? RENEW_MS : backoff(failures, 200, RENEW_MS), signal)) {
      try {
        const node = await this.#own(signal);
        if (!described) await this.#describe(node, signal);
        described = true;
        await this.#renewLease(node.metadata.uid ?? '', signal);
        await this.#writeStatus(node, signal);
        if (failures > 0) this.#d.log.info('the node renews its lease again');
        failures = 0;
        told = '';
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        // An apiserver that is away for a day is said once.
        this.#d.log[told === String(error) ? 'debug' : 'warn']('the node could not renew its lease', {
          error: String(error),
        });
        told = String(error);
        // A single refusal may come from an apiserver that starts.
        if (this.#refusals < 2) continue;
        await this.#d.refused(error as CausewayError);
        described = false;
      }
    }
  }

  /** Writes the status now. */
  async tell(signal: AbortSignal): Promise<void> {
    await this.#writeStatus(await this.#own(signal), signal);
  }

  /** Looks at the Node now: it may be gone, or how this node does has changed. */
  wake(): void {
    this.#awake.abort();
  }

  /** False when `signal` has aborted. */
  async #sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    await sleep(ms, AbortSignal.any([signal, this.#awake.signal]));
    this.#awake = new AbortController();
    return !signal.aborted;
  }

  /** The Node that this node's certificates are for. */
  async #own(signal: AbortSignal): Promise<Node> {
    const { client, facts, nodeUid } = this.#d;
    try {
      const node = await client.get(NODES, '', facts.nodeName, signal);
      if (node.metadata.uid !== nodeUid()) throw notFound('', 'nodes', facts.nodeName);
      this.#refusals = 0;
      return node;
    } catch (error) {
      this.#refusals = isRefusal(error) ? this.#refusals + 1 : 0;
      throw error;
    }
  }

  /** Labels that are missing, and the pods' network where the Node has none. */
  async #describe(node: Node, signal: AbortSignal): Promise<Node> {
    const { client, facts, podCidr, labels } = this.#d;
    const wanted: Readonly<Record<string, string>> = {
      ...labels,
      [HOSTNAME_LABEL]: facts.nodeName,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': nodeArchitecture(),
    };
    const isLabelled = Object.entries(wanted).every(([key, value]) => node.metadata.labels?.[key] === value);
    const spec =
      podCidr === undefined || node.spec?.podCIDR !== undefined ? {} : { podCIDR: podCidr, podCIDRs: [podCidr] };
    if (isLabelled && Object.keys(spec).length === 0) return node;
    const where = { namespace: '', name: facts.nodeName };
    return client.patch(NODES, where, 'merge', { metadata: { uid: node.metadata.uid, labels: wanted }, spec }, signal);
  }

  async #writeStatus(node: Node, signal: AbortSignal): Promise<void> {
    const { client, facts, runtime, clock, health } = this.#d;
    const known = node.status?.conditions ?? [];
    const status = await nodeStatus(facts, await runtime.status(), known, health(), clock.now());
    const comparable = JSON.stringify({
      ...status,
      conditions: status.conditions?.map((c) => ({ ...c, lastHeartbeatTime: '' })),
    });
    const recent = clock.now() - this.#statusAt < STATUS_MS;
    // What somebody else wrote there is put right: the address is where the control plane looks for this node.
    if (comparable === this.#lastStatus && recent && says(node.status, status)) return;
    await client.patch(
      NODES,
      { namespace: '', name: facts.nodeName, subresource: 'status' },
      'strategic',
      // Addresses are merged by their type, and one that is not ours must not stay.
      { status: { ...status, addresses: [{ $patch: 'replace' }, ...(status.addresses ?? [])] } },
      signal,
    );
    this.#statusAt = clock.now();
    this.#lastStatus = comparable;
  }

  async #renewLease(nodeUid: string, signal: AbortSignal): Promise<void> {
    const { client, facts, clock } = this.#d;
    const spec = {
      holderIdentity: facts.nodeName,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: rfc3339Micro(clock.now()),
    };
    const where = { namespace: LEASE_NAMESPACE, name: facts.nodeName };
    try {
      await client.patch(LEASES, where, 'merge', { spec }, signal);
    } catch (error) {
      if (!isCode(error, 'NotFound')) throw error;
      const owner = { apiVersion: 'v1', kind: 'Node', name: facts.nodeName, uid: nodeUid };
      await client.create(LEASES, { metadata: { ...where, ownerReferences: [owner] }, spec }, signal);
    }
  }
}

function isRefusal(error: unknown): boolean {
  return isCode(error, 'NotFound') || isCode(error, 'Forbidden') || isCode(error, 'Unauthorized');
}

/** Whether a stored status says of this node what decides how it is reached and used. */
function says(stored: NodeStatus | undefined, status: NodeStatus): boolean {
  const routes = ({ addresses, daemonEndpoints }: NodeStatus): string =>
    JSON.stringify([addresses?.map(({ type, address }) => [type, address]), daemonEndpoints?.kubeletEndpoint?.Port]);
  return (
    stored !== undefined &&
    routes(stored) === routes(status) &&
    (status.conditions ?? []).every(({ type, status: own }) =>
      stored.conditions?.some((condition) => condition.type === type && condition.status === own),
    )
  );
}
