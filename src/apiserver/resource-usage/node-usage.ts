import type { NodeReading, Reading } from './resource-text.ts';

/** What was used, per second where it is a rate, in the time up to `atMs`. */
export interface Use {
  readonly atMs: number;
  readonly windowMs: number;
  readonly cpuNanocores: number;
  readonly memoryBytes: number;
}

/** A container that has just started is measured from its start, once it has run so long. */
const MIN_AGE_MS = 1_000;

/** What the node used between two looks. Undefined when they tell nothing, as after the machine started again. */
export function nodeUse(before: NodeReading, now: NodeReading): Use | undefined {
  return useBetween(before.node, now.node);
}

/** What each container of a pod (`namespace/name`) used. Undefined when one of them cannot be told yet. */
export function podUse(before: NodeReading, now: NodeReading, pod: string): ReadonlyMap<string, Use> | undefined {
  const containers = now.pods.get(pod);
  if (containers === undefined || containers.size === 0) return undefined;
  const uses = new Map<string, Use>();
  for (const [name, reading] of containers) {
    const earlier = before.pods.get(pod)?.get(name);
    const use =
      earlier?.startedAt === reading.startedAt ? useBetween(earlier, reading) : useBetween(started(reading), reading);
    if (use === undefined) return undefined;
    uses.set(name, use);
  }
  return uses;
}

function started(reading: Reading): Reading {
  return { ...reading, atMs: reading.startedAt * 1000, cpuSeconds: 0 };
}

function useBetween(before: Reading, now: Reading): Use | undefined {
  const windowMs = now.atMs - before.atMs;
  const seconds = now.cpuSeconds - before.cpuSeconds;
  if (windowMs < MIN_AGE_MS || seconds < 0) return undefined;
  return {
    atMs: now.atMs,
    windowMs,
    cpuNanocores: Math.round((seconds * 1e12) / windowMs),
    memoryBytes: now.memoryBytes,
  };
}
