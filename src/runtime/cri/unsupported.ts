import { unknownCapabilities } from '../capabilities.ts';
import type { ContainerConfig, PodSandboxConfig } from '../runtime.ts';
import { isOwnSysctl } from '../sysctls.ts';
import { localhostProfile } from './container-request.ts';
import { criSignal } from './stop-signals.ts';

/** The fields that CRI has no way to say, or that a node must not honour, by Kubernetes' names. */
export function unsupportedFields(
  sandbox: PodSandboxConfig,
  container: ContainerConfig | undefined,
  { limitsProcesses }: { readonly limitsProcesses: boolean },
): string[] {
  const fields = Object.keys(sandbox.sysctls)
    .filter((name) => !isOwnSysctl(sandbox, name))
    .map((name) => `spec.securityContext.sysctls[${name}]`);
  if (container === undefined) return fields;
  const { security, resources, stopSignal } = container;
  const at = (field: string): void => {
    fields.push(`spec.containers[${container.name}].${field}`);
  };
  const profile = localhostProfile(security.seccomp);
  if (profile !== undefined && (profile.startsWith('/') || profile.split('/').includes('..')))
    at('securityContext.seccompProfile.localhostProfile');
  if (unknownCapabilities([...security.addCapabilities, ...security.dropCapabilities]).length > 0)
    at('securityContext.capabilities');
  if (stopSignal !== undefined && criSignal(stopSignal) === undefined) at('lifecycle.stopSignal');
  // CRI says it only by the files of cgroup v2.
  if (resources.pidsLimit !== undefined && !limitsProcesses) at('resources.limits.pids');
  return fields;
}
