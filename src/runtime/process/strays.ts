import { KILL_DEADLINE_MS } from './limits.ts';
import { identify, killTree, opensAny, type ProcessIdentity, processesMarked, untilGone } from './process-identity.ts';
import type { RuntimeContext } from './runtime-context.ts';

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
  const strays: ProcessIdentity[] = [];
  for (const { pid, value } of processesMarked('CAUSEWAY_STATE')) {
    if (value !== stateDirectory || spared.has(pid) || !opensAny(pid, directories)) continue;
    const stray = identify(pid);
    if (stray === undefined) continue;
    await killTree(stray);
    strays.push(stray);
  }
  await Promise.all(strays.map((stray) => untilGone(stray, KILL_DEADLINE_MS)));
}
