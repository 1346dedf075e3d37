import { join } from 'node:path';
import { KILL_DEADLINE_MS } from './limits.ts';
import { identify, killTree, opensAny, type ProcessIdentity, processesMarked, untilGone } from './process-identity.ts';
import { containerDirectory, listDirectories, removeTree, sandboxDirectory } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';

/**
 * Takes away what an earlier run began and never wrote down: processes that bear this runtime's mark and belong to nothing known,
 * directories without a record, cgroups, interfaces. A container without its sandbox is such a leftover too.
 */
export async function sweepLeftovers(
  context: RuntimeContext,
  known: {
    readonly sandboxes: ReadonlySet<string>;
    readonly containers: ReadonlySet<string>;
    /** Known, but nothing of them should run. */
    readonly notStarted: readonly string[];
  },
): Promise<void> {
  const { stateDirectory, host, network, log } = context;
  const lost = {
    sandboxes: listDirectories(join(stateDirectory, 'sandboxes')).filter((id) => !known.sandboxes.has(id)),
    containers: listDirectories(join(stateDirectory, 'containers')).filter((id) => !known.containers.has(id)),
  };
  await killStrays(context, { sandboxes: lost.sandboxes, containers: [...lost.containers, ...known.notStarted] });
  for (const id of host.cgroups?.list() ?? []) {
    if (known.containers.has(id)) continue;
    const group = host.cgroups?.open(id);
    group?.kill();
    await group?.remove();
  }
  for (const id of lost.containers) await removeTree(containerDirectory(stateDirectory, id));
  for (const id of lost.sandboxes) {
    await network?.detach(id);
    await removeTree(sandboxDirectory(stateDirectory, id));
  }
  const count = lost.containers.length + lost.sandboxes.length;
  if (count > 0) log.info('removed what an earlier run left behind', { count });
}

/** A marked process names its directory in its arguments or has a file of it open. */
async function killStrays(
  context: RuntimeContext,
  lost: { sandboxes: readonly string[]; containers: readonly string[] },
): Promise<void> {
  if (lost.sandboxes.length + lost.containers.length === 0) return;
  const directories = [
    ...lost.sandboxes.map((id) => sandboxDirectory(context.stateDirectory, id)),
    ...lost.containers.map((id) => containerDirectory(context.stateDirectory, id)),
  ];
  const strays: ProcessIdentity[] = [];
  for (const { pid, value } of processesMarked('CAUSEWAY_STATE')) {
    if (value !== context.stateDirectory) continue;
    if (!opensAny(pid, directories)) continue;
    const stray = identify(pid);
    if (stray === undefined) continue;
    killTree(stray);
    strays.push(stray);
  }
  await Promise.all(strays.map((stray) => untilGone(stray, KILL_DEADLINE_MS)));
}
