import type { Volume } from '../generated/types.ts';

/** `0644` in decimal, as JSON has it. */
const defaultMode = 420;

export function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((field) => field === 'name')) volume.emptyDir = {};
  for (const source of [volume.secret, volume.configMap, volume.downwardAPI, volume.projected]) {
    if (source !== undefined) source.defaultMode ??= defaultMode;
  }
  for (const item of volume.downwardAPI?.items ?? []) defaultFieldRef(item.fieldRef);
  for (const { serviceAccountToken, downwardAPI } of volume.projected?.sources ?? []) {
    if (serviceAccountToken !== undefined) serviceAccountToken.expirationSeconds ??= 3600;
    for (const item of downwardAPI?.items ?? []) defaultFieldRef(item.fieldRef);
  }
  if (volume.hostPath !== undefined) volume.hostPath.type ??= '';
  if (volume.ephemeral?.volumeClaimTemplate?.spec !== undefined) {
    volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= 'Filesystem';
  }
  if (volume.image !== undefined && (volume.image.pullPolicy ?? '') === '') {
    volume.image.pullPolicy = /[@:][^/]*$/.test(volume.image.reference ?? '') ? 'IfNotPresent' : 'Always';
  }
  defaultNetworkVolume(volume);
}

/** Volumes of remote storage: their constants only. */
function defaultNetworkVolume({ iscsi, rbd, scaleIO, azureDisk }: Volume): void {
  if (iscsi !== undefined) iscsi.iscsiInterface ||= 'default';
  if (rbd !== undefined) {
    rbd.pool ||= 'rbd';
    rbd.user ||= 'admin';
    rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (scaleIO !== undefined) {
    scaleIO.storageMode ||= 'ThinProvisioned';
    scaleIO.fsType ||= 'xfs';
  }
  if (azureDisk !== undefined) {
    azureDisk.cachingMode ??= 'ReadWrite';
    azureDisk.kind ??= 'Shared';
    azureDisk.fsType ??= 'ext4';
    azureDisk.readOnly ??= false;
  }
}

function defaultFieldRef(reference: { apiVersion?: string | undefined } | undefined): void {
  if (reference !== undefined && (reference.apiVersion ?? '') === '') reference.apiVersion = 'v1';
}
