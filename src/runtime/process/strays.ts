import { setTimeout as delay } from 'node:timers/promises';
import { KILL_DEADLINE_MS } from './limits.ts';
import { identify, killTree, opensAny, type ProcessIdentity, processesMarked, untilGone } from './process-identity.ts';
import type { RuntimeContext } from './runtime-context.ts';

/** How often processes are looked at again while some cannot be told, and milliseconds in between. */
const LOOKS = 20;
const LOOK_MS = 5;

/**
 * Kills what this runtime started and what belongs to one of the directories: a process that bears the runtime's mark and names the
 * directory in its arguments or has a file of it open. Resolves when they are gone. `spared` stay, with what is below them.
 */
export async function killStrays(
  { stateDirectory }: Pick<RuntimeContext, 'stateDirectory'>,
  directories: readonly string[],
  spared: ReadonlySet<number> = new Set(),
): Promise<void> {
  if (directories.length === 0) return;
  const strays = new Map<number, ProcessIdentity>();
  for (let look = 0; look < LOOKS; look++) {
    const { marked, unclear } = processesMarked('CAUSEWAY_STATE');
    for (const { pid, value } of marked) {
      if (value !== stateDirectory || spared.has(pid) || !opensAny(pid, directories)) continue;
      const stray = identify(pid);
      if (stray === undefined) continue;
      strays.set(pid, stray);
      await killTree(stray);
    }
    if (!unclear) break;
    await delay(LOOK_MS);
  }
  await Promise.all([...strays.values()].map((stray) => untilGone(stray, KILL_DEADLINE_MS)));
}
