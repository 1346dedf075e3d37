import { join } from 'node:path';
import { processTree } from './process-identity.ts';
import { type ContainerRecord, containerDirectory, listDirectories, removeTree, sandboxDirectory } from './records.ts';
import type { RuntimeContext } from './runtime-context.ts';
import { killStrays } from './strays.ts';

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
    /** They go on. What exec had running in them does not: nobody is there for what it says. */
    readonly running: readonly Pick<ContainerRecord, 'id' | 'shim'>[];
  },
): Promise<void> {
  const { stateDirectory, host, network, log } = context;
  const lost = {
    sandboxes: listDirectories(join(stateDirectory, 'sandboxes')).filter((id) => !known.sandboxes.has(id)),
    containers: listDirectories(join(stateDirectory, 'containers')).filter((id) => !known.containers.has(id)),
  };
  const tended = known.running.flatMap(({ shim }) => (shim === undefined ? [] : processTree(shim)));
  const directories = [
    ...lost.sandboxes.map((id) => sandboxDirectory(stateDirectory, id)),
    ...[...lost.containers, ...known.notStarted, ...known.running.map(({ id }) => id)].map((id) =>
      containerDirectory(stateDirectory, id),
    ),
  ];
  await killStrays(context, directories, new Set(tended.map(({ pid }) => pid)));
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
