import { statfs } from 'node:fs/promises';
import { cpus, uptime } from 'node:os';
import { nodeMemory } from '../node-memory.ts';

/** What the node uses, from the operating system. */
export interface NodeStats {
  readonly bootedAt: number;
  readonly cores: number;
  readonly cpuNanoseconds: bigint;
  readonly memoryTotalBytes: number;
  /** The working set: what is not `availableBytes` of `node-memory.ts`. */
  readonly memoryUsedBytes: number;
  readonly fsCapacityBytes: number;
  readonly fsAvailableBytes: number;
  readonly fsInodes: number;
  readonly fsInodesFree: number;
}

export async function readNodeStats(nowMs: number, rootPath: string): Promise<NodeStats> {
  const processors = cpus();
  const busyMs = processors.reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  const fs = await statfs(rootPath);
  const { totalBytes, availableBytes } = nodeMemory();
  return {
    bootedAt: nowMs - uptime() * 1000,
    cores: processors.length,
    cpuNanoseconds: BigInt(busyMs) * 1_000_000n,
    memoryTotalBytes: totalBytes,
    memoryUsedBytes: totalBytes - availableBytes,
    fsCapacityBytes: fs.blocks * fs.bsize,
    fsAvailableBytes: fs.bavail * fs.bsize,
    fsInodes: fs.files,
    fsInodesFree: fs.ffree,
  };
}
