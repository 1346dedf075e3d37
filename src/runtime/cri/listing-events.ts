import type { PodSandbox, RuntimeEvent } from '../runtime.ts';
import type { Listing } from './runtime-listing.ts';

/** An event for each sandbox and container that came, changed or went between two listings. */
export function eventsOf(before: Listing, now: Listing): RuntimeEvent[] {
  const found: RuntimeEvent[] = [];
  const sandboxOf = (id: string): PodSandbox | undefined => now.sandboxes.get(id) ?? before.sandboxes.get(id);
  const add = (sandboxId: string, containerId?: string): void => {
    const podUid = sandboxOf(sandboxId)?.config.podUid;
    if (podUid !== undefined) found.push({ sandboxId, podUid, ...(containerId === undefined ? {} : { containerId }) });
  };
  for (const id of new Set([...before.sandboxes.keys(), ...now.sandboxes.keys()]))
    if (before.sandboxes.get(id) !== now.sandboxes.get(id)) add(id);
  for (const id of new Set([...before.containers.keys(), ...now.containers.keys()])) {
    const [was, is] = [before.containers.get(id), now.containers.get(id)];
    if (was !== is) add((is ?? was)?.sandboxId ?? '', id);
  }
  return found;
}
