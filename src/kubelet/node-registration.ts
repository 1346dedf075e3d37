import type { Node, NodeStatus } from '../api/generated/types.ts';
import { LEASES, NODES } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { type Clock, rfc3339Micro } from '../lib/clock.ts';
import { backoff, sleep } from '../lib/deadline.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type NodeFacts, nodeArchitecture, nodeStatus } from './node-status.ts';

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
  /** Told when there is a Node object, and when there is another one: somebody deleted the first. */
  readonly registered: (nodeUid: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes the Node object and keeps it, and its lease, alive. */
export class NodeRegistration {
  readonly #d: RegistrationDependencies;
  #statusAt = 0;
  #lastStatus = '';
  #uid = '';

  constructor(dependencies: RegistrationDependencies) {
    this.#d = dependencies;
  }

  /** Creates or updates the Node. Throws when the apiserver refuses. */
  async register(signal: AbortSignal): Promise<void> {
    const { client, facts } = this.#d;
    let node: Node;
    try {
      node = await client.get(NODES, '', facts.nodeName, signal);
    } catch (error) {
      if (!isCode(error, 'NotFound')) throw error;
      node = await client.create(NODES, this.#fresh(), signal);
    }
    await this.#notice(node);
    await this.#writeStatus(node, signal);
    await this.#renewLease(node.metadata.uid ?? '', signal);
  }

  async #notice({ metadata: { uid = '' } }: Node): Promise<void> {
    if (uid === this.#uid) return;
    await this.#d.registered(uid);
    this.#uid = uid;
  }

  /** Renews the lease and the status until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (await sleep(failures === 0 ? RENEW_MS : backoff(failures, 200, RENEW_MS), signal)) {
      try {
        const node = await this.#d.client.get(NODES, '', this.#d.facts.nodeName, signal);
        await this.#notice(node);
        await this.#renewLease(node.metadata.uid ?? '', signal);
        await this.#writeStatus(node, signal);
        failures = 0;
      } catch (error) {
        failures++;
        this.#d.log.warn('the node could not renew its lease', { error: String(error) });
        if (isCode(error, 'NotFound')) await this.register(signal).catch(() => undefined);
      }
    }
  }

  #fresh(): Node {
    const { facts, podCidr, labels } = this.#d;
    return {
      metadata: {
        name: facts.nodeName,
        labels: {
          ...labels,
          [HOSTNAME_LABEL]: facts.nodeName,
          'kubernetes.io/os': 'linux',
          'kubernetes.io/arch': nodeArchitecture(),
        },
      },
      spec: podCidr === undefined ? {} : { podCIDR: podCidr, podCIDRs: [podCidr] },
    };
  }

  async #writeStatus(node: Node, signal: AbortSignal): Promise<void> {
    const { client, facts, runtime, clock } = this.#d;
    const status = await nodeStatus(facts, await runtime.status(), node.status?.conditions ?? [], clock.now());
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
