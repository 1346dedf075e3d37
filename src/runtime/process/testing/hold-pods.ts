/** A program for tests: makes a runtime, a pod in it and the containers it is told, says their ids, and waits to be killed. */
import { systemClock } from '../../../lib/clock.ts';
import { silentLog } from '../../../lib/log.ts';
import type { ContainerConfig, PodSandboxConfig } from '../../runtime.ts';
import { createProcessRuntime, type ProcessRuntimeOptions } from '../process-runtime.ts';

export interface HoldPods {
  readonly options: Omit<ProcessRuntimeOptions, 'log' | 'clock'>;
  readonly sandbox: PodSandboxConfig;
  readonly containers: readonly ContainerConfig[];
  /** Commands that exec runs in the first container, and goes on running. */
  readonly execs?: readonly (readonly string[])[];
}

const { options, sandbox, containers, execs = [] } = JSON.parse(process.argv[2] ?? '') as HoldPods;
const signal = new AbortController().signal;
const runtime = await createProcessRuntime({ ...options, log: silentLog, clock: systemClock });
const sandboxId = await runtime.runPodSandbox(sandbox, signal);
const ids: string[] = [];
for (const config of containers) {
  const id = await runtime.createContainer(sandboxId, config, signal);
  ids.push(id);
  await runtime.startContainer(id);
}
for (const command of execs)
  await runtime.exec(ids[0] ?? '', { command, stdin: false, stdout: true, stderr: true, tty: false }, signal);
console.log(JSON.stringify({ sandboxId, ids }));
setInterval(() => undefined, 60_000);
