import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

export interface NodeMemory {
  readonly totalBytes: number;
  /** What can be had without hurting anybody: free, or of files that nobody has read lately. As Kubernetes counts it. */
  readonly availableBytes: number;
}

export function nodeMemory(): NodeMemory {
  let text = '';
  try {
    text = readFileSync('/proc/meminfo', 'utf8');
  } catch {
    // Not Linux, or `/proc` is hidden.
  }
  const bytes = (name: string): number | undefined => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  };
  const totalBytes = bytes('MemTotal') ?? totalmem();
  const availableBytes = (bytes('MemFree') ?? freemem()) + (bytes('Inactive\\(file\\)') ?? 0);
  return { totalBytes, availableBytes: Math.min(totalBytes, availableBytes) };
}
