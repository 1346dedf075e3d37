import type { Lease, Node, NodeCondition } from '../api/generated/types.ts';
import { rfc3339 } from '../lib/clock.ts';

/** The conditions that nobody knows of a node that is silent. */
const CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/**
 * When each node gave a sign of life last: by this process's own clock, because a node's clock decides nothing. A sign is a
 * renewed lease or a new heartbeat in the node's status.
 */
export class NodeHealth {
  readonly #signs = new Map<string, { lease: string; heartbeat: string; at: number }>();

  seenNode(node: Node, now: number): void {
    const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
    // That it is unknown was said by this controller.
    if (ready?.status === 'Unknown') this.#sign(node.metadata.name ?? '', {}, now);
    else this.#sign(node.metadata.name ?? '', { heartbeat: `${ready?.lastHeartbeatTime} ${ready?.status}` }, now);
  }

  seenLease(lease: Lease, now: number): void {
    this.#sign(lease.metadata.name ?? '', { lease: lease.spec?.renewTime ?? '' }, now);
  }

  forget(name: string): void {
    this.#signs.delete(name);
  }

  /** Ms since the last sign of life. */
  silence(name: string, now: number): number {
    return now - (this.#signs.get(name)?.at ?? now);
  }

  #sign(name: string, sign: { lease?: string; heartbeat?: string }, now: number): void {
    const known = this.#signs.get(name);
    const { lease = known?.lease ?? '', heartbeat = known?.heartbeat ?? '' } = sign;
    if (known !== undefined && known.lease === lease && known.heartbeat === heartbeat) return;
    this.#signs.set(name, { lease, heartbeat, at: now });
  }
}

/** The conditions of a node that is silent; undefined when they say so already. */
export function unknownConditions(node: Node, now: number): NodeCondition[] | undefined {
  const known = node.status?.conditions ?? [];
  const time = rfc3339(now);
  const changed = CONDITIONS.flatMap((type): NodeCondition[] => {
    const before = known.find((c) => c.type === type);
    if (before?.status === 'Unknown') return [];
    if (before === undefined) {
      return [
        {
          type,
          status: 'Unknown',
          reason: 'NodeStatusNeverUpdated',
          message: 'Kubelet never posted node status.',
          lastHeartbeatTime: node.metadata.creationTimestamp,
          lastTransitionTime: time,
        },
      ];
    }
    return [
      {
        ...before,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: time,
      },
    ];
  });
  return changed.length === 0 ? undefined : changed;
}
