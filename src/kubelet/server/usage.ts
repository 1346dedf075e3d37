import type { ContainerStats, Runtime } from '../../runtime/runtime.ts';
import { type NodeStats, readNodeStats } from './node-stats.ts';
import type { PodProvider, ServedPod } from './pod-provider.ts';

export interface ContainerUsage {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly stats: ContainerStats;
}

export interface PodUsage {
  readonly pod: ServedPod;
  readonly containers: readonly ContainerUsage[];
}

/** One look at what the node and its pods use: behind `/stats/summary` and `/metrics/*`. */
export interface Usage {
  readonly atMs: number;
  readonly node: NodeStats;
  readonly pods: readonly PodUsage[];
}

export async function readUsage(
  pods: PodProvider,
  runtime: Pick<Runtime, 'containerStats'>,
  nowMs: number,
): Promise<Usage> {
  const [node, stats] = await Promise.all([readNodeStats(nowMs, '/'), runtime.containerStats()]);
  const byId = new Map(stats.map((each) => [each.id, each]));
  return { atMs: nowMs, node, pods: pods.pods().map((pod) => ({ pod, containers: containersOf(pod, byId) })) };
}

function containersOf(pod: ServedPod, byId: ReadonlyMap<string, ContainerStats>): readonly ContainerUsage[] {
  return pod.containers.flatMap(({ name, running }) => {
    const stats = running === undefined ? undefined : byId.get(running.id);
    return running === undefined || stats === undefined ? [] : [{ name, startedAt: running.startedAt, stats }];
  });
}
