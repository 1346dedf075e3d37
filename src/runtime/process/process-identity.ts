import type { ChildProcess } from 'node:child_process';
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

/** Undefined when there is no such process. Throws when that cannot be known now, such as without a free descriptor. */
function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
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

/** A child that was just started; undefined when it was not. One that cannot be told from others later is killed, and the reason thrown. */
export function identifyChild(child: ChildProcess): ProcessIdentity | undefined {
  try {
    return child.pid === undefined ? undefined : identify(child.pid);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** What the process does now, as proc(5) has it; undefined when it is gone. A zombie is gone: what is left is only its exit status. */
function stateOf(identity: ProcessIdentity): string | undefined {
  if (identity.bootId !== currentBootId()) return undefined;
  const stat = readStat(identity.pid);
  if (stat === undefined || stat.startTime !== identity.startTime) return undefined;
  return stat.state === 'Z' || stat.state === 'X' ? undefined : stat.state;
}

/** False only when the process is known to be gone. */
export function isAlive(identity: ProcessIdentity): boolean {
  try {
    return stateOf(identity) !== undefined;
  } catch {
    return true;
  }
}

/** Signals exactly that process; false when it is gone, or cannot be told from another. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals | number): boolean {
  try {
    return stateOf(identity) !== undefined && process.kill(identity.pid, signal);
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

/** A process and everything below it, parents first; nothing when it is gone. Never this process itself, nor the machine's first. */
export function processTree(root: ProcessIdentity): ProcessIdentity[] {
  const children = new Map<number, ProcessIdentity[]>();
  for (const pid of allPids()) {
    const stat = readStat(pid);
    if (stat === undefined || pid === 1 || pid === process.pid) continue;
    const identity = { pid, startTime: stat.startTime, bootId: root.bootId };
    const siblings = children.get(stat.parent);
    if (siblings === undefined) children.set(stat.parent, [identity]);
    else siblings.push(identity);
  }
  const tree = isAlive(root) ? [root] : [];
  for (const { pid } of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** `USER_HZ`, which Linux keeps at 100 for every program, and the page size of the processors that Node runs on. */
const NANOSECONDS_PER_TICK = 10_000_000n;
const PAGE_BYTES = 4096;

/** What a process and everything below it use, where no cgroup counts it. */
export function usageOfTree(root: ProcessIdentity): { readonly cpuNanoseconds: bigint; readonly memoryBytes: number } {
  let [ticks, pages] = [0, 0];
  for (const { pid } of processTree(root)) {
    const stat = readStat(pid);
    ticks += stat?.ticks ?? 0;
    pages += stat?.pages ?? 0;
  }
  return { cpuNanoseconds: BigInt(ticks) * NANOSECONDS_PER_TICK, memoryBytes: pages * PAGE_BYTES };
}

/** Milliseconds for a process to stop, and how often a tree is looked at again for what forked meanwhile. */
const STOP_MS = 2_000;
const LOOKS = 20;

/**
 * SIGKILL to a process and everything below it. All of it is stopped first, and seen to have stopped: what is killed in the middle of a
 * fork leaves a child that belongs to nobody.
 */
export async function killTree(root: ProcessIdentity): Promise<void> {
  const tree = new Map<number, ProcessIdentity>();
  for (let look = 0; look < LOOKS; look++) {
    const fresh = processTree(root).filter(({ pid }) => !tree.has(pid));
    if (fresh.length === 0) break;
    for (const member of fresh) {
      tree.set(member.pid, member);
      signalProcess(member, 'SIGSTOP');
    }
    await untilStopped(fresh);
  }
  for (const member of tree.values()) signalProcess(member, 'SIGKILL');
}

async function untilStopped(processes: readonly ProcessIdentity[]): Promise<void> {
  const until = performance.now() + STOP_MS;
  const runs = (member: ProcessIdentity): boolean => {
    const state = stateOf(member);
    // T: stopped; t: by a debugger, in which case it is not ours to stop.
    return state !== undefined && state !== 'T' && state !== 't';
  };
  while (processes.some(runs) && performance.now() < until) await delay(1);
}

export interface MarkedProcesses {
  readonly marked: readonly { readonly pid: number; readonly value: string }[];
  /** There are processes that cannot be told now: in the middle of an exec the environment is not there yet. */
  readonly unclear: boolean;
}

/** Processes whose environment at exec held `NAME=value`, with the value: how leftovers of an earlier run are found. */
export function processesMarked(name: string): MarkedProcesses {
  const prefix = `${name}=`;
  const marked: { pid: number; value: string }[] = [];
  let unclear = false;
  for (const pid of allPids()) {
    let environment: string;
    try {
      environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    } catch {
      continue;
    }
    if (environment === '') unclear ||= hasProgram(pid);
    const entry = environment.split('\0').find((line) => line.startsWith(prefix));
    if (entry !== undefined) marked.push({ pid, value: entry.slice(prefix.length) });
  }
  return { marked, unclear };
}

/** False for a thread of the kernel, and for what has ended. */
function hasProgram(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== '';
  } catch {
    return false;
  }
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
