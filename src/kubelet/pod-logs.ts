import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../api/generated/types.ts';

/** `<logs>/<namespace>_<name>_<uid>`, as Kubernetes lays pod logs out. */
export function podLogDirectory(logsDirectory: string, pod: Pod): string {
  const { namespace, name, uid } = pod.metadata;
  return join(logsDirectory, `${namespace}_${name}_${uid}`);
}

/** Removes the logs of pods that are not known; what is no pod's stays. */
export async function removeOtherLogs(logsDirectory: string, isKnown: (podUid: string) => boolean): Promise<void> {
  for (const directory of await readdir(logsDirectory).catch(() => [])) {
    const [namespace, name, uid, ...rest] = directory.split('_');
    if (namespace === undefined || name === undefined || uid === undefined || rest.length > 0 || isKnown(uid)) continue;
    await rm(join(logsDirectory, directory), { recursive: true, force: true });
  }
}
