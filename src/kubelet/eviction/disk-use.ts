import { constants, type Dirent } from 'node:fs';
import { lstat, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskUse } from './pod-usage.ts';

/** Entries of one tree that are counted: a pod that makes more has taken more than it may, whatever it may. */
const MAX_ENTRIES = 300_000;
/** Directories in directories. */
const MAX_DEPTH = 4_000;
/** Bytes of a path at which the walk goes on from an open directory: Linux allows 4096. */
const MAX_PATH = 3_000;
const BLOCK_BYTES = 512;

/**
 * What a tree takes of its disk. Links are not followed, hard links count once, other file systems are left out. A tree that is made so that
 * it cannot be measured takes everything: nobody hides from a limit behind it.
 */
export async function diskUse(root: string): Promise<DiskUse> {
  const stats = await lstat(root).catch(() => undefined);
  if (stats === undefined) return { bytes: 0, inodes: 0 };
  const walk: Walk = { device: stats.dev, links: new Set(), bytes: stats.blocks * BLOCK_BYTES, inodes: 1 };
  if (stats.isDirectory() && !(await count(root, walk, 0))) {
    return { bytes: Number.POSITIVE_INFINITY, inodes: Number.POSITIVE_INFINITY };
  }
  return { bytes: walk.bytes, inodes: walk.inodes };
}

interface Walk {
  readonly device: number;
  readonly links: Set<number>;
  bytes: number;
  inodes: number;
}

/** False when it gives up. */
async function count(directory: string, walk: Walk, depth: number): Promise<boolean> {
  if (depth > MAX_DEPTH) return false;
  if (directory.length <= MAX_PATH) return countEntries(directory, walk, depth);
  const handle = await open(directory, constants.O_DIRECTORY | constants.O_NOFOLLOW).catch(() => undefined);
  if (handle === undefined) return true;
  try {
    return await countEntries(`/proc/self/fd/${handle.fd}`, walk, depth);
  } finally {
    await handle.close();
  }
}

async function countEntries(directory: string, walk: Walk, depth: number): Promise<boolean> {
  const entries = await opendir(directory).catch(() => undefined);
  // It has gone meanwhile.
  if (entries === undefined) return true;
  // One directory after the other: a deep tree must not hold a descriptor for each of its levels.
  const below: string[] = [];
  for await (const entry of entries as AsyncIterable<Dirent>) {
    const path = join(directory, entry.name);
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined || stats.dev !== walk.device) continue;
    if (!stats.isDirectory() && stats.nlink > 1) {
      if (walk.links.has(stats.ino)) continue;
      walk.links.add(stats.ino);
    }
    walk.bytes += stats.blocks * BLOCK_BYTES;
    if (++walk.inodes > MAX_ENTRIES) return false;
    if (stats.isDirectory()) below.push(entry.name);
  }
  for (const name of below) if (!(await count(join(directory, name), walk, depth + 1))) return false;
  return true;
}
