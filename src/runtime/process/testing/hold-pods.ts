/** A program for tests: makes a runtime, a pod in it and the containers it is told, says their ids, and waits to be killed. */
import { systemClock } from '../../../lib/clock.ts';
import { silentLog } from '../../../lib/log.ts';
import type { ContainerConfig, PodSandboxConfig } from '../../runtime.ts';
import { createProcessRuntime, type ProcessRuntimeOptions } from '../process-runtime.ts';

export interface HoldPods {
  readonly options: Omit<ProcessRuntimeOptions, 'log' | 'clock'>;
  readonly sandbox: PodSandboxConfig;
  readonly containers: readonly ContainerConfig[];
}

const { options, sandbox, containers } = JSON.parse(process.argv[2] ?? '') as HoldPods;
const signal = new AbortController().signal;
const runtime = await createProcessRuntime({ ...options, log: silentLog, clock: systemClock });
const sandboxId = await runtime.runPodSandbox(sandbox, signal);
const ids: string[] = [];
for (const config of containers) {
  const id = await runtime.createContainer(sandboxId, config, signal);
  ids.push(id);
  await runtime.startContainer(id);
}
console.log(JSON.stringify({ sandboxId, ids }));
setInterval(() => undefined, 60_000);
