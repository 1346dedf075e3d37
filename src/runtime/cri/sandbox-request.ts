import type { PodSandboxConfig } from '../runtime.ts';
import { namespaceMode, type podSandboxConfig, profileType } from './cri-messages.ts';
import type { Input } from './grpc/message.ts';
import { sandboxAnnotations } from './known-config.ts';

/** Which namespaces a pod's sandbox, or a container in it, has; a container may join the processes of another one. */
export function namespaceOptions(config: PodSandboxConfig): { network: number; pid: number; ipc: number } {
  const { node, pod, container } = namespaceMode;
  return {
    network: config.hostNetwork ? node : pod,
    pid: config.hostPID ? node : config.shareProcessNamespace ? pod : container,
    ipc: config.hostIPC ? node : pod,
  };
}

/** The groups that every process of the pod has beside its own. */
export function podGroups({ fsGroup, supplementalGroups }: PodSandboxConfig): number[] {
  return [...(fsGroup === undefined ? [] : [fsGroup]), ...supplementalGroups];
}

/** A pod's sandbox as CRI has it. `owner` tells the sandboxes of this node from those of others. */
export function sandboxRequest(config: PodSandboxConfig, owner: string): Input<typeof podSandboxConfig> {
  const { podName, podUid, podNamespace, attempt } = config;
  return {
    metadata: { name: podName, uid: podUid, namespace: podNamespace, attempt },
    // On the host's network the host's name is the only one.
    hostname: config.hostNetwork ? '' : config.hostname,
    logDirectory: config.logDirectory,
    dnsConfig: config.dns,
    labels: config.labels,
    annotations: sandboxAnnotations(config, owner),
    linux: {
      sysctls: config.sysctls,
      securityContext: {
        namespaceOptions: namespaceOptions(config),
        supplementalGroups: podGroups(config),
        // It allows that, and gives the sandbox itself nothing: who may ask for a privileged container is decided before.
        privileged: true,
        seccomp: { profileType: profileType.runtimeDefault },
      },
    },
  };
}
