import { readFile, statfs } from 'node:fs/promises';
import { nodeMemory } from '../node-memory.ts';
import type { Observation, Signal } from './signals.ts';

export interface ObservedPlaces {
  /** Where pods' volumes and logs are. */
  readonly nodeFs: string;
  /** Where images are, when the runtime has images. */
  readonly imageFs: () => Promise<string | undefined>;
}

/** What there is of each signal now. */
export async function observeNode({ nodeFs, imageFs }: ObservedPlaces): Promise<Map<Signal, Observation>> {
  const found = new Map<Signal, Observation>();
  const { availableBytes, totalBytes } = nodeMemory();
  found.set('memory.available', { available: availableBytes, capacity: totalBytes });
  await observeDisk(found, nodeFs, 'nodefs.available', 'nodefs.inodesFree');
  const images = await imageFs().catch(() => undefined);
  if (images !== undefined) await observeDisk(found, images, 'imagefs.available', 'imagefs.inodesFree');
  const processes = await observeProcesses().catch(() => undefined);
  if (processes !== undefined) found.set('pid.available', processes);
  return found;
}

async function observeDisk(
  found: Map<Signal, Observation>,
  path: string,
  bytes: Signal,
  inodes: Signal,
): Promise<void> {
  const disk = await statfs(path).catch(() => undefined);
  if (disk === undefined) return;
  found.set(bytes, { available: disk.bavail * disk.bsize, capacity: disk.blocks * disk.bsize });
  // btrfs and others count none.
  if (disk.files > 0) found.set(inodes, { available: disk.ffree, capacity: disk.files });
}

async function observeProcesses(): Promise<Observation> {
  const number = async (path: string): Promise<number> => Number((await readFile(path, 'utf8')).trim());
  const limits = ['/proc/sys/kernel/pid_max', '/proc/sys/kernel/threads-max'].map(number);
  const capacity = Math.min(...(await Promise.all(limits)));
  const running = Number(/^\S+ \S+ \S+ \d+\/(\d+) /.exec(await readFile('/proc/loadavg', 'utf8'))?.[1]);
  if (!Number.isFinite(capacity - running)) throw new Error('not Linux');
  return { available: capacity - running, capacity };
}
