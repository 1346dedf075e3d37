import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that a test started and did not end. */
export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/** How long a process that was told to end may take. */
const GRACE_MS = 10_000;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const ownMounts = link('/proc/self/ns/mnt');

/** Whether a process carries one of the marks: in its environment, its command line, its working directory, or what it has mounted. */
function carries(pid: number, marks: readonly string[]): boolean {
  const proc = `/proc/${pid}`;
  const about = [read(`${proc}/environ`), read(`${proc}/cmdline`), link(`${proc}/cwd`), link(`${proc}/exe`)];
  // Only a process with mounts of its own tells something by them.
  const mounts = link(`${proc}/ns/mnt`);
  if (mounts !== '' && mounts !== ownMounts) about.push(read(`${proc}/mountinfo`));
  return about.some((text) => marks.some((mark) => text.includes(mark)));
}

/** A process that ended and was not waited for has no command line. */
function isGone(pid: number): boolean {
  return / [ZX] /.test(read(`/proc/${pid}/stat`).replace(/^.*\)/s, '')) || read(`/proc/${pid}/stat`) === '';
}

/** Processes, but for this one, that carry a mark. A process that throws its environment away is known by the folders it uses. */
export function processesWith(...marks: readonly string[]): Leftover[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && carries(pid, marks) && !isGone(pid))
    .map((pid) => ({
      pid,
      command: read(`/proc/${pid}/cmdline`)
        .replaceAll(/\s+|\0/g, ' ')
        .trim()
        .slice(0, 160),
    }));
}

/** What of them is still there after a while; it is killed. */
export async function endLeftovers(...marks: readonly string[]): Promise<Leftover[]> {
  const until = Date.now() + GRACE_MS;
  let left = processesWith(...marks);
  while (left.length > 0 && Date.now() < until) {
    await sleep(50);
    left = processesWith(...marks);
  }
  for (const { pid } of left) kill(pid);
  return left;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended just now.
  }
}
