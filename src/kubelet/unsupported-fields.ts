import type { Pod } from '../api/generated/types.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { containerSecurity, sandboxConfig, unsupportedByKubelet } from './pod-config.ts';

/** Fields that neither this kubelet nor its runtime honours. */
export function unsupportedFields(pod: Pod, runtime: Pick<Runtime, 'unsupported'>): readonly string[] {
  const found = new Set(unsupportedByKubelet(pod));
  const sandbox = sandboxConfig(pod, 0, '/');
  for (const field of runtime.unsupported(sandbox)) found.add(field);
  for (const container of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
    const limits = container.resources?.limits ?? {};
    const config = {
      name: container.name,
      attempt: 0,
      image: container.image ?? '',
      command: container.command ?? [],
      args: container.args ?? [],
      workingDir: container.workingDir ?? '',
      env: [],
      mounts: [],
      stdin: false,
      stdinOnce: false,
      tty: false,
      security: containerSecurity(pod, container),
      resources: {
        ...(limits['cpu'] === undefined ? {} : { cpuMillis: 1 }),
        ...(limits['memory'] === undefined ? {} : { memoryBytes: 1 }),
      },
      labels: {},
      annotations: {},
    };
    for (const field of runtime.unsupported(sandbox, config)) found.add(field);
  }
  return [...found];
}
