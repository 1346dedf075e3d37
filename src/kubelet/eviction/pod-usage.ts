import type { Pod } from '../../api/generated/types.ts';
import { Quantity, tryParseQuantity } from '../../api/quantity.ts';
import { containersOf } from '../pod-config.ts';
import { isSidecar } from '../pod-status.ts';
import type { StarvedResource } from './signals.ts';

export interface DiskUse {
  readonly bytes: number;
  readonly inodes: number;
}

/** What one pod uses. */
export interface PodUse {
  readonly memoryBytes: number;
  /** Of each container that runs. */
  readonly containers: ReadonlyMap<string, ContainerUse>;
  /** Of each `emptyDir` volume. Empty when disks were not looked at. */
  readonly volumes: ReadonlyMap<string, DiskUse>;
}

export interface ContainerUse {
  readonly memoryBytes: number;
  /** Its logs, and what it wrote beside its volumes. */
  readonly disk: DiskUse;
}

/** All of a pod's disk. */
export function diskOf({ containers, volumes }: PodUse): DiskUse {
  const all = [...[...containers.values()].map(({ disk }) => disk), ...volumes.values()];
  return all.reduce((sum, each) => ({ bytes: sum.bytes + each.bytes, inodes: sum.inodes + each.inodes }), NO_DISK);
}

export const NO_DISK: DiskUse = { bytes: 0, inodes: 0 };

export function usedOf(use: PodUse, resource: StarvedResource): number {
  switch (resource) {
    case 'memory':
      return use.memoryBytes;
    case 'ephemeral-storage':
      return diskOf(use).bytes;
    case 'inodes':
      return diskOf(use).inodes;
    case 'pids':
      return 0;
  }
}

/** What the pod asked for: its containers together, or one of the init containers before them, whichever is more. */
export function requestOf(pod: Pod, resource: StarvedResource): number {
  return podAmount(pod, 'requests', resource) ?? 0;
}

/** The sum of the pod's limits; undefined when it has none. */
export function limitOf(pod: Pod, resource: StarvedResource): Quantity | undefined {
  const limit = podAmount(pod, 'limits', resource);
  return limit === undefined ? undefined : Quantity.fromNumber(limit, 'BinarySI');
}

function podAmount(pod: Pod, kind: 'requests' | 'limits', resource: StarvedResource): number | undefined {
  let together = 0;
  let before = 0;
  let any = false;
  const inits = new Set(pod.spec?.initContainers);
  for (const container of containersOf(pod)) {
    const amount = tryParseQuantity(container.resources?.[kind]?.[resource])?.toNumber();
    if (amount === undefined) continue;
    any = true;
    if (inits.has(container) && !isSidecar(container)) before = Math.max(before, amount + together);
    else together += amount;
  }
  return any ? Math.ceil(Math.max(before, together)) : undefined;
}
