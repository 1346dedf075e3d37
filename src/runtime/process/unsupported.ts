import { unknownCapabilities } from '../capabilities.ts';
import type { ContainerConfig, PodSandboxConfig } from '../runtime.ts';
import { isOwnSysctl } from '../sysctls.ts';
import type { Host } from './host.ts';
import { knownSignal } from './signals.ts';

export function settableSysctl(host: Host, sandbox: PodSandboxConfig, name: string): boolean {
  return host.root && isOwnSysctl(sandbox, name);
}

function unsupportedOfPod(host: Host, sandbox: PodSandboxConfig): string[] {
  const fields: string[] = [];
  for (const name of Object.keys(sandbox.sysctls))
    if (!settableSysctl(host, sandbox, name)) fields.push(`spec.securityContext.sysctls[${name}]`);
  if (host.root) return fields;
  // With the user's own identity these would reach every process of that user.
  if (sandbox.hostPID) fields.push('spec.hostPID');
  if (sandbox.hostIPC) fields.push('spec.hostIPC');
  if (sandbox.fsGroup !== undefined && sandbox.fsGroup !== host.gid) fields.push('spec.securityContext.fsGroup');
  if (sandbox.supplementalGroups.some((group) => group !== host.gid))
    fields.push('spec.securityContext.supplementalGroups');
  return fields;
}

/** The fields that this machine and this user cannot honour, by Kubernetes' names. */
export function unsupportedFields(host: Host, sandbox: PodSandboxConfig, container?: ContainerConfig): string[] {
  const fields = unsupportedOfPod(host, sandbox);
  if (container === undefined) return fields;
  const { security, resources } = container;
  const at = (field: string): void => {
    fields.push(`spec.containers[${container.name}].${field}`);
  };
  if (security.seccomp?.startsWith('Localhost') === true) at('securityContext.seccompProfile.localhostProfile');
  if (security.seccomp === 'RuntimeDefault' && host.filter === undefined) at('securityContext.seccompProfile.type');
  if (unknownCapabilities([...security.addCapabilities, ...security.dropCapabilities]).length > 0)
    at('securityContext.capabilities');
  if (container.stopSignal !== undefined && knownSignal(container.stopSignal) === undefined) at('lifecycle.stopSignal');
  if (!host.root) {
    if (security.privileged) at('securityContext.privileged');
    if (security.runAsUser !== undefined && security.runAsUser !== host.uid) at('securityContext.runAsUser');
    if (security.runAsGroup !== undefined && security.runAsGroup !== host.gid) at('securityContext.runAsGroup');
    if (security.addCapabilities.length > 0) at('securityContext.capabilities.add');
  }
  const limits = host.cgroups?.limits;
  if (resources.memoryBytes !== undefined && limits?.has('memoryBytes') !== true) at('resources.limits.memory');
  if (resources.cpuMillis !== undefined && limits?.has('cpuMillis') !== true) at('resources.limits.cpu');
  if (resources.pidsLimit !== undefined && limits?.has('pidsLimit') !== true) at('resources.limits.pids');
  return fields;
}
