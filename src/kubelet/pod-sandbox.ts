import type { Pod } from '../api/generated/types.ts';
import type { PodSandbox, Runtime } from '../runtime/runtime.ts';
import { sandboxConfig } from './pod-config.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

export interface SandboxFailure {
  /** Of the event. */
  readonly reason: 'FailedMount' | 'FailedCreatePodSandBox';
  readonly error: unknown;
  readonly prefix?: string;
}

/** Makes a pod's sandbox in place of those that it had, once its volumes are there. Answers what failed. */
export async function replaceSandbox(
  pod: Pod,
  old: readonly PodSandbox[],
  {
    runtime,
    volumes,
    logsDirectory,
    signal,
  }: {
    readonly runtime: Runtime;
    readonly volumes: PodVolumes;
    readonly logsDirectory: string;
    readonly signal: AbortSignal;
  },
): Promise<SandboxFailure | undefined> {
  for (const sandbox of old) await runtime.stopPodSandbox(sandbox.id);
  try {
    await volumes.get(pod, signal, true);
  } catch (error) {
    return { reason: 'FailedMount', error };
  }
  try {
    const attempt = Math.max(-1, ...old.map((s) => s.config.attempt)) + 1;
    await runtime.runPodSandbox(sandboxConfig(pod, attempt, logsDirectory), signal);
  } catch (error) {
    return { reason: 'FailedCreatePodSandBox', error, prefix: 'Failed to create pod sandbox: ' };
  }
  return undefined;
}
