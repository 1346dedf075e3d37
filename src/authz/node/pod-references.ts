import type { Container, EphemeralContainer, Pod, Volume } from '../../api/generated/types.ts';

/** The names of what a pod refers to, all in its own namespace. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configmaps: ReadonlySet<string>;
  readonly persistentvolumeclaims: ReadonlySet<string>;
  readonly resourceclaims: ReadonlySet<string>;
  readonly serviceaccounts: ReadonlySet<string>;
}

export function podReferences(pod: Pod): PodReferences {
  const { spec, status } = pod;
  const secrets = new Set<string>();
  const configmaps = new Set<string>();
  const persistentvolumeclaims = new Set<string>();
  const resourceclaims = new Set<string>();
  const serviceaccounts = new Set<string>();
  const refs = { secrets, configmaps, persistentvolumeclaims, resourceclaims, serviceaccounts };
  if (spec === undefined) return refs;

  add(serviceaccounts, spec.serviceAccountName);
  for (const { name } of spec.imagePullSecrets ?? []) add(secrets, name);
  for (const container of [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])]) {
    containerReferences(container, secrets, configmaps);
  }
  for (const volume of spec.volumes ?? []) {
    volumeReferences(volume, secrets, configmaps);
    add(persistentvolumeclaims, volume.persistentVolumeClaim?.claimName);
    // An ephemeral volume's claim is named after the pod and the volume.
    if (volume.ephemeral !== undefined) add(persistentvolumeclaims, `${pod.metadata?.name ?? ''}-${volume.name}`);
  }
  // A claim made from a template is known by the status only.
  for (const claim of spec.resourceClaims ?? []) add(resourceclaims, claim.resourceClaimName);
  for (const claim of status?.resourceClaimStatuses ?? []) add(resourceclaims, claim.resourceClaimName);
  add(resourceclaims, status?.extendedResourceClaimStatus?.resourceClaimName);
  return refs;
}

function containerReferences(
  container: Container | EphemeralContainer,
  secrets: Set<string>,
  configmaps: Set<string>,
): void {
  for (const { valueFrom } of container.env ?? []) {
    add(secrets, valueFrom?.secretKeyRef?.name);
    add(configmaps, valueFrom?.configMapKeyRef?.name);
  }
  for (const { secretRef, configMapRef } of container.envFrom ?? []) {
    add(secrets, secretRef?.name);
    add(configmaps, configMapRef?.name);
  }
}

function volumeReferences(volume: Volume, secrets: Set<string>, configmaps: Set<string>): void {
  add(secrets, volume.secret?.secretName);
  add(configmaps, volume.configMap?.name);
  for (const source of volume.projected?.sources ?? []) {
    add(secrets, source.secret?.name);
    add(configmaps, source.configMap?.name);
  }
  add(secrets, volume.azureFile?.secretName);
  add(secrets, volume.cephfs?.secretRef?.name);
  add(secrets, volume.cinder?.secretRef?.name);
  add(secrets, volume.flexVolume?.secretRef?.name);
  add(secrets, volume.iscsi?.secretRef?.name);
  add(secrets, volume.rbd?.secretRef?.name);
  add(secrets, volume.scaleIO?.secretRef?.name);
  add(secrets, volume.storageos?.secretRef?.name);
  add(secrets, volume.csi?.nodePublishSecretRef?.name);
}

function add(names: Set<string>, name: string | undefined): void {
  if (name !== undefined && name !== '') names.add(name);
}
