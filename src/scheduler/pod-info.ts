import type { Pod, PodAffinityTerm } from '../api/generated/types.ts';
import { podRequests, type Resources, ratedRequests } from './pod-requests.ts';

export interface HostPort {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
}

/** A pod with what decisions need of it, worked out once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly uid: string;
  readonly requests: Resources;
  readonly rated: { readonly cpu: number; readonly memory: number };
  readonly hostPorts: readonly HostPort[];
  readonly requiredAffinity: readonly PodAffinityTerm[];
  readonly requiredAntiAffinity: readonly PodAffinityTerm[];
  /** It wishes to be near or far from other pods, or must be. */
  readonly hasAffinity: boolean;
}

export function podInfo(pod: Pod): PodInfo {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  return {
    pod,
    uid: pod.metadata.uid ?? '',
    requests: podRequests(pod),
    rated: ratedRequests(pod),
    hostPorts: hostPorts(pod),
    requiredAffinity: podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    requiredAntiAffinity: podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    hasAffinity: podAffinity !== undefined || podAntiAffinity !== undefined,
  };
}

/** Sidecars hold their ports for as long as the pod runs; init containers do not. */
function hostPorts(pod: Pod): HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  return [...(pod.spec?.containers ?? []), ...sidecars].flatMap((c) =>
    (c.ports ?? [])
      .filter((p) => (p.hostPort ?? 0) > 0)
      .map((p) => ({ ip: p.hostIP || '0.0.0.0', port: p.hostPort ?? 0, protocol: p.protocol ?? 'TCP' })),
  );
}

/** A pod that has ended holds no resources. */
export function isEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}
