import type { PersistentVolume } from '../../api/generated/types.ts';

/** `namespace/name` of each secret that a node needs to mount the volume. Secrets for the controller side are not for nodes. */
export function volumeSecrets(volume: PersistentVolume): ReadonlySet<string> {
  const secrets = new Set<string>();
  const { spec } = volume;
  const claimNamespace = spec?.claimRef?.namespace;
  if (spec === undefined || claimNamespace === undefined || claimNamespace === '') return secrets;
  const refs = [
    spec.azureFile && { name: spec.azureFile.secretName, namespace: spec.azureFile.secretNamespace },
    spec.cephfs?.secretRef,
    spec.cinder?.secretRef,
    spec.flexVolume?.secretRef,
    spec.iscsi?.secretRef,
    spec.rbd?.secretRef,
    spec.scaleIO?.secretRef,
    spec.storageos?.secretRef,
    spec.csi?.nodePublishSecretRef,
    spec.csi?.nodeStageSecretRef,
    spec.csi?.nodeExpandSecretRef,
  ];
  for (const ref of refs) {
    if (ref?.name !== undefined && ref.name !== '') secrets.add(`${ref.namespace || claimNamespace}/${ref.name}`);
  }
  return secrets;
}
