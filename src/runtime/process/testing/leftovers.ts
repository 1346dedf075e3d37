import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processesMarked } from '../process-identity.ts';

/** What of a runtime is on the machine: its processes, interfaces, cgroups and mounts. */
export function leftoversOf(stateDirectory: string): string[] {
  const found: string[] = [];
  for (const { pid, value } of processesMarked('CAUSEWAY_STATE').marked)
    if (value === stateDirectory) found.push(`process ${pid}`);
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n'))
    if (line.includes(stateDirectory)) found.push(`mount ${line}`);
  return found;
}

function markOf(stateDirectory: string): string {
  return createHash('sha256').update(stateDirectory).digest('hex').slice(0, 10);
}

export function bridgeOf(stateDirectory: string): string {
  return `cw${markOf(stateDirectory)}`;
}

/** Interfaces and cgroups of a runtime, by the names that it makes from its directory and its sandboxes' ids. */
export function machineState(stateDirectory: string, sandboxIds: readonly string[]): string[] {
  const interfaces = [bridgeOf(stateDirectory), ...sandboxIds.map((id) => `cwp${id.slice(0, 12)}`)];
  const groups = ['', 'memory', 'cpu', 'cpuacct', 'pids', 'unified'].map((name) =>
    join('/sys/fs/cgroup', name, `causeway-${markOf(stateDirectory)}`),
  );
  return [...interfaces.map((name) => `/sys/class/net/${name}`), ...groups].filter((path) => existsSync(path));
}

/** Waits a moment for what was killed to be gone. */
export async function settledLeftoversOf(stateDirectory: string): Promise<string[]> {
  for (let round = 0; round < 100 && leftoversOf(stateDirectory).length > 0; round++) await delay(20);
  return leftoversOf(stateDirectory);
}
