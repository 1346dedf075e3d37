import { isIP } from 'node:net';
import type { KubeObject } from '../api/object.ts';
import type { Destination, Dialer } from '../tunnel/dialer.ts';

export type Via = Dialer['via'];

/** What of a Node decides how it is reached. */
export interface RouteNode {
  readonly name: string;
  readonly uid: string;
  readonly addresses: readonly { readonly type: string; readonly address: string }[];
  readonly kubeletPort: number;
}

/** The tunnels that are up now. */
export interface LiveSessions {
  /** Names of nodes with a reverse tunnel. */
  readonly reverse: ReadonlySet<string>;
}

export interface EgressPolicy {
  /** What may carry traffic to nodes, best first. */
  readonly order: readonly Via[];
}

export interface RejectedRoute {
  readonly via: Via;
  readonly reason: string;
}

/** How a node is reached and why: logged, counted and shown as it is. */
export type Route =
  | {
      readonly via: Via;
      readonly destination: Destination;
      readonly reason: string;
      readonly rejected: readonly RejectedRoute[];
    }
  | { readonly via: undefined; readonly reason: string; readonly rejected: readonly RejectedRoute[] };

/** In which order addresses are tried; names are left out, since nobody here resolves them. */
const addressTypes = ['InternalIP', 'ExternalIP'] as const;

const DEFAULT_KUBELET_PORT = 10_250;

/** Reads a Node object. What it says of itself is only where to dial: who answers there is proved by its certificate. */
export function routeNode(node: KubeObject): RouteNode {
  const status = (node['status'] ?? {}) as {
    addresses?: { type?: string; address?: string }[];
    daemonEndpoints?: { kubeletEndpoint?: { Port?: number } };
  };
  const port = status.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  return {
    name: node.metadata.name ?? '',
    uid: node.metadata.uid ?? '',
    addresses: (status.addresses ?? []).map((a) => ({ type: a.type ?? '', address: a.address ?? '' })),
    kubeletPort: port > 0 && port < 65_536 ? port : DEFAULT_KUBELET_PORT,
  };
}

function addressOf(node: RouteNode): { address: string; type: string } | undefined {
  for (const type of addressTypes) {
    const found = node.addresses.find((a) => a.type === type && isIP(a.address) !== 0);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first way that the policy allows and that is open. Pure: the same question has the same answer. */
export function selectRoute(node: RouteNode, live: LiveSessions, policy: EgressPolicy): Route {
  const rejected: RejectedRoute[] = [];
  for (const via of policy.order) {
    switch (via) {
      case 'direct': {
        const address = addressOf(node);
        if (address === undefined) {
          rejected.push({ via, reason: `node ${JSON.stringify(node.name)} has no InternalIP or ExternalIP address` });
          break;
        }
        const destination = { host: address.address, port: node.kubeletPort, nodeName: node.name };
        return { via, destination, reason: `${address.type} ${address.address}`, rejected };
      }
      case 'reverse':
        if (live.reverse.has(node.name)) {
          const destination = { host: '127.0.0.1', port: node.kubeletPort, nodeName: node.name };
          return { via, destination, reason: 'the node has a tunnel open', rejected };
        }
        rejected.push({ via, reason: `node ${JSON.stringify(node.name)} has no tunnel open` });
        break;
      case 'ssh':
        rejected.push({ via, reason: `no bastion is configured for node ${JSON.stringify(node.name)}` });
        break;
    }
  }
  return {
    via: undefined,
    reason: rejected.map((r) => r.reason).join('; ') || 'no way to nodes is configured',
    rejected,
  };
}

/** The dialers, and which of them carries what. */
export class EgressSelector {
  readonly #dialers: ReadonlyMap<Via, Dialer>;
  readonly #live: () => LiveSessions;
  readonly #policy: EgressPolicy;

  constructor(dialers: readonly Dialer[], live: () => LiveSessions = () => ({ reverse: new Set() })) {
    this.#dialers = new Map(dialers.map((d) => [d.via, d]));
    this.#live = live;
    this.#policy = { order: dialers.map((d) => d.via) };
  }

  select(node: RouteNode): Route {
    return selectRoute(node, this.#live(), this.#policy);
  }

  dialer(via: Via): Dialer {
    const dialer = this.#dialers.get(via);
    if (dialer === undefined) throw new Error(`no dialer for ${via}`);
    return dialer;
  }
}
