import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A process that cannot be mistaken for a later one with the same pid: its pid, its start time in clock ticks since boot (proc(5),
 * field 22 of `stat`), and the boot.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
}

let bootId: string | undefined;

function currentBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTime: string;
  /** CPU time in clock ticks, and resident memory in pages. */
  readonly ticks: number;
  readonly pages: number;
}

function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name, in parentheses, may itself hold spaces and parentheses: what follows the last one is fields 3 and up.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    startTime: fields[19] ?? '',
    ticks: Number(fields[11]) + Number(fields[12]),
    pages: Number(fields[21]),
  };
}

/** Undefined when there is no such process. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : { pid, startTime: stat.startTime, bootId: currentBootId() };
}

/** False for a zombie: what is left of it is only its exit status. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== currentBootId()) return false;
  const stat = readStat(identity.pid);
  return stat !== undefined && stat.startTime === identity.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Signals exactly that process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals | number): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    return false;
  }
}

/** Waits until a process is gone, but not longer than `withinMs`: a killed one takes its time to go. */
export async function untilGone(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const until = performance.now() + withinMs;
  while (isAlive(identity)) {
    if (performance.now() > until) return false;
    await delay(3);
  }
  return true;
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** `pid` and everything below it, parents first. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const candidate of allPids()) {
    const parent = readStat(candidate)?.parent;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [candidate]);
    else siblings.push(candidate);
  }
  const tree = [pid];
  for (const member of tree) tree.push(...(children.get(member) ?? []));
  return tree;
}

/** `USER_HZ`, which Linux keeps at 100 for every program, and the page size of the processors that Node runs on. */
const NANOSECONDS_PER_TICK = 10_000_000n;
const PAGE_BYTES = 4096;

/** What a process and everything below it use, where no cgroup counts it. */
export function usageOfTree(root: ProcessIdentity): { readonly cpuNanoseconds: bigint; readonly memoryBytes: number } {
  let [ticks, pages] = [0, 0];
  for (const pid of processTree(root.pid)) {
    const stat = readStat(pid);
    ticks += stat?.ticks ?? 0;
    pages += stat?.pages ?? 0;
  }
  return { cpuNanoseconds: BigInt(ticks) * NANOSECONDS_PER_TICK, memoryBytes: pages * PAGE_BYTES };
}

/** SIGKILL to a process and everything below it. Stopped first, parents before children, so that none forks away meanwhile. */
export function killTree(root: ProcessIdentity): void {
  if (!isAlive(root)) return;
  const tree = processTree(root.pid);
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
    for (const pid of tree) {
      if (pid <= 1 || pid === process.pid) continue;
      try {
        process.kill(pid, signal);
      } catch {
        // Gone already.
      }
    }
  }
}

/** Processes whose environment at exec held `NAME=value`, with the value: how leftovers of an earlier run are found. */
export function processesMarked(name: string): { readonly pid: number; readonly value: string }[] {
  const prefix = `${name}=`;
  const found: { pid: number; value: string }[] = [];
  for (const pid of allPids()) {
    let environment: string;
    try {
      environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    } catch {
      continue;
    }
    const entry = environment.split('\0').find((line) => line.startsWith(prefix));
    if (entry !== undefined) found.push({ pid, value: entry.slice(prefix.length) });
  }
  return found;
}

/** Whether a process names one of the directories in its arguments or has something in it open. */
export function opensAny(pid: number, directories: readonly string[]): boolean {
  const names = (text: string): boolean => directories.some((directory) => text.includes(directory));
  try {
    if (names(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))) return true;
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return names(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
