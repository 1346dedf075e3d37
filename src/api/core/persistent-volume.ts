import type { PersistentVolume, PersistentVolumeClaim } from '../generated/types.ts';
import type { KindRules } from '../kind-rules.ts';
import { validateClaim, validateVolume } from '../light-validation.ts';
import { canonicalizeResourceList } from '../quantity.ts';

/** Volumes are bound by a controller that comes later. */
export const persistentVolumeRules: KindRules = {
  structural: true,
  validate: validateVolume,
  initialStatus: () => ({ phase: 'Pending' }),
  defaults(object) {
    const { spec } = object as unknown as PersistentVolume;
    if (spec === undefined) return;
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath !== undefined) spec.hostPath.type ??= '';
    canonicalizeResourceList(spec.capacity);
  },
};

export const persistentVolumeClaimRules: KindRules = {
  structural: true,
  validate: validateClaim,
  initialStatus: () => ({ phase: 'Pending' }),
  defaults: (object) => defaultClaimSpec((object as unknown as PersistentVolumeClaim).spec),
};

export function defaultClaimSpec(spec: PersistentVolumeClaim['spec']): void {
  if (spec === undefined) return;
  spec.volumeMode ??= 'Filesystem';
  spec.resources ??= {};
  canonicalizeResourceList(spec.resources.requests);
  canonicalizeResourceList(spec.resources.limits);
}
