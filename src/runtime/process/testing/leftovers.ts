import { readdirSync, readFileSync } from 'node:fs';
import { processesMarked } from '../process-identity.ts';

/** What of a runtime is on the machine: its processes, interfaces, cgroups and mounts. */
export function leftoversOf(stateDirectory: string): string[] {
  const found: string[] = [];
  for (const { pid, value } of processesMarked('CAUSEWAY_STATE'))
    if (value === stateDirectory) found.push(`process ${pid}`);
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n'))
    if (line.includes(stateDirectory)) found.push(`mount ${line}`);
  return found;
}

/** Names of interfaces and of Causeway's cgroups: the same before and after. */
export function machineState(): string[] {
  const list = (path: string): string[] => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  };
  const groups = ['', 'memory', 'cpu', 'cpuacct', 'pids'].flatMap((controller) =>
    list(`/sys/fs/cgroup/${controller}`).map((name) => `${controller}/${name}`),
  );
  return [...list('/sys/class/net'), ...groups.filter((name) => name.includes('causeway-'))].sort();
}
