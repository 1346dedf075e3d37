import type { ObjectMeta } from '../api/object.ts';

export const mirrorAnnotation = 'kubernetes.io/config.mirror';

/** A pod that a kubelet made from a file of its own and only shows here. */
export function isMirrorPod(metadata: ObjectMeta): boolean {
  return metadata.annotations !== undefined && Object.hasOwn(metadata.annotations, mirrorAnnotation);
}
