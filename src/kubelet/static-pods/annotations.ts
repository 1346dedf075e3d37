import type { Pod } from '../../api/generated/types.ts';

/** Annotations of a static pod and of its mirror, as Kubernetes' kubelet writes them. */
export const CONFIG_HASH = 'kubernetes.io/config.hash';
export const CONFIG_SOURCE = 'kubernetes.io/config.source';
export const CONFIG_SEEN = 'kubernetes.io/config.seen';
export const CONFIG_MIRROR = 'kubernetes.io/config.mirror';

/** What the hash of a static pod is, which is also its UID on this node. */
export function hashOf(pod: Pod): string {
  return pod.metadata.annotations?.[CONFIG_HASH] ?? '';
}
