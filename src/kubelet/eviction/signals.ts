/** Conditions of a node that eviction sets. */
export type PressureCondition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

/** What a pod uses too much of, by Kubernetes' names. */
export type StarvedResource = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';

export type Signal =
  | 'memory.available'
  | 'nodefs.available'
  | 'nodefs.inodesFree'
  | 'imagefs.available'
  | 'imagefs.inodesFree'
  | 'pid.available';

/** Kubernetes' eviction signals, memory first: it is the one that is reclaimed before all others. */
export const SIGNALS: Readonly<
  Record<Signal, { readonly condition: PressureCondition; readonly resource: StarvedResource }>
> = {
  'memory.available': { condition: 'MemoryPressure', resource: 'memory' },
  'nodefs.available': { condition: 'DiskPressure', resource: 'ephemeral-storage' },
  'nodefs.inodesFree': { condition: 'DiskPressure', resource: 'inodes' },
  'imagefs.available': { condition: 'DiskPressure', resource: 'ephemeral-storage' },
  'imagefs.inodesFree': { condition: 'DiskPressure', resource: 'inodes' },
  'pid.available': { condition: 'PIDPressure', resource: 'pids' },
};

/** How much there is of a signal, in bytes, inodes or processes. */
export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

/** A signal that cannot be observed, as that of a file system that counts no inodes, is not in it. */
export type Observations = ReadonlyMap<Signal, Observation>;

export function isSignal(text: string): text is Signal {
  return Object.hasOwn(SIGNALS, text);
}
