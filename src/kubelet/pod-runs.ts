import type { ContainerStatus, PodSandbox } from '../runtime/runtime.ts';

/** What the runtime has of one pod. */
export interface PodRuns {
  /** The newest one. */
  readonly sandbox: PodSandbox | undefined;
  /** Those before it. */
  readonly oldSandboxes: readonly PodSandbox[];
  /** Of each container the runs that are still known, newest first. */
  readonly runs: ReadonlyMap<string, readonly ContainerStatus[]>;
}

export function podRuns(sandboxes: readonly PodSandbox[], containers: readonly ContainerStatus[]): PodRuns {
  const runs = new Map<string, ContainerStatus[]>();
  for (const run of containers) {
    const list = runs.get(run.config.name);
    if (list === undefined) runs.set(run.config.name, [run]);
    else list.push(run);
  }
  for (const list of runs.values()) {
    list.sort((a, b) => b.config.attempt - a.config.attempt || b.createdAt - a.createdAt);
  }
  const [sandbox, ...oldSandboxes] = [...sandboxes].sort((a, b) => b.config.attempt - a.config.attempt);
  return { sandbox, oldSandboxes, runs };
}
