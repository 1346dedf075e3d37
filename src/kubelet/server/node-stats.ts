import { statfs } from 'node:fs/promises';
import { cpus, freemem, totalmem, uptime } from 'node:os';

/** What the node uses, from the operating system. */
export interface NodeStats {
  readonly bootedAt: number;
  readonly cores: number;
  readonly cpuNanoseconds: bigint;
  readonly memoryTotalBytes: number;
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
  return {
    bootedAt: nowMs - uptime() * 1000,
    cores: processors.length,
    cpuNanoseconds: BigInt(busyMs) * 1_000_000n,
    memoryTotalBytes: totalmem(),
    memoryUsedBytes: totalmem() - freemem(),
    fsCapacityBytes: fs.blocks * fs.bsize,
    fsAvailableBytes: fs.bavail * fs.bsize,
    fsInodes: fs.files,
    fsInodesFree: fs.ffree,
  };
}
