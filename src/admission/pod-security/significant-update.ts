import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../api/object.ts';
import { podLike } from './pod-like.ts';

const prefixes = [
  'seccomp.security.alpha.kubernetes.io/pod',
  'container.seccomp.security.alpha.kubernetes.io/',
  'container.apparmor.security.beta.kubernetes.io/',
];

/**
 * Whether an update changes anything that a check can read. A pod that was let in under an older label may still get labels, finalizers
 * and tolerations. Compared as a whole rather than by Kubernetes' list of fields: a field that becomes mutable cannot be forgotten.
 */
export function isSignificantUpdate(pod: KubeObject, before: KubeObject): boolean {
  return !isDeepStrictEqual(checked(pod), checked(before));
}

function checked(pod: KubeObject): unknown {
  const { annotations, spec } = podLike(pod);
  const { tolerations, activeDeadlineSeconds, terminationGracePeriodSeconds, nodeName, schedulingGates, ...rest } =
    spec;
  const relevant = Object.entries(annotations).filter(([key]) => prefixes.some((prefix) => key.startsWith(prefix)));
  return [rest, relevant.sort()];
}
