import type { ErrorCause } from '../../lib/errors.ts';
import { duplicate, forbidden, invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type { DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection } from '../generated/types.ts';
import { dns1123Label } from '../names.ts';
import { tryParseQuantity } from '../quantity.ts';
import { type TakePath, validateCertificateProjection, validateTrustProjection } from './certificate-projections.ts';
import { validateFieldRef, validateResourceFieldRef, volumeFieldPaths } from './downward-validation.ts';
import { validateNoBacksteps, validateVolumeItemPath } from './paths.ts';

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

/** `spec.volumes`: names and sources. Volumes of remote storage are checked for their required fields by the structure alone. */
export function validateVolumes(volumes: readonly Volume[] | undefined, path: string): ErrorCause[] {
  const seen = new Set<string>();
  return (volumes ?? []).flatMap((volume, i) => {
    const field = `${path}[${i}]`;
    const causes = validateSource(volume, field);
    if ((volume.name ?? '') === '') causes.push(required(`${field}.name`));
    else causes.push(...invalidEach(`${field}.name`, volume.name, dns1123Label(volume.name)));
    if (seen.has(volume.name)) causes.push(duplicate(`${field}.name`, volume.name));
    seen.add(volume.name);
    return causes;
  });
}

function validateSource(volume: Volume, path: string): ErrorCause[] {
  const sources = Object.keys(volume).filter((key) => key !== 'name' && volume[key as keyof Volume] !== undefined);
  if (sources.length === 0) return [required(path, 'must specify a volume type')];
  const causes = sources
    .slice(1)
    .map((name) => forbidden(`${path}.${name}`, 'may not specify more than 1 volume type'));
  if (volume.emptyDir?.sizeLimit !== undefined && (tryParseQuantity(volume.emptyDir.sizeLimit)?.sign() ?? -1) < 0) {
    causes.push(forbidden(`${path}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'));
  }
  if (volume.hostPath !== undefined) {
    const { path: hostPath, type } = volume.hostPath;
    if ((hostPath ?? '') === '') causes.push(required(`${path}.hostPath.path`));
    else {
      causes.push(...validateNoBacksteps(hostPath, `${path}.hostPath.path`));
      if (!hostPathTypes.includes(type ?? '')) {
        causes.push(notSupported(`${path}.hostPath.type`, type, hostPathTypes));
      }
    }
  }
  if (volume.secret !== undefined) {
    if ((volume.secret.secretName ?? '') === '') causes.push(required(`${path}.secret.secretName`));
    causes.push(...validateMode(volume.secret.defaultMode, `${path}.secret.defaultMode`));
    causes.push(...validateItems(volume.secret.items, `${path}.secret.items`));
  }
  if (volume.configMap !== undefined) {
    if ((volume.configMap.name ?? '') === '') causes.push(required(`${path}.configMap.name`));
    causes.push(...validateMode(volume.configMap.defaultMode, `${path}.configMap.defaultMode`));
    causes.push(...validateItems(volume.configMap.items, `${path}.configMap.items`));
  }
  if (volume.downwardAPI !== undefined) {
    causes.push(...validateMode(volume.downwardAPI.defaultMode, `${path}.downwardAPI.defaultMode`));
    for (const file of volume.downwardAPI.items ?? [])
      causes.push(...validateDownwardFile(file, `${path}.downwardAPI`));
  }
  if (volume.persistentVolumeClaim !== undefined && (volume.persistentVolumeClaim.claimName ?? '') === '') {
    causes.push(required(`${path}.persistentVolumeClaim.claimName`));
  }
  if (volume.projected !== undefined) {
    causes.push(...validateMode(volume.projected.defaultMode, `${path}.projected.defaultMode`));
    causes.push(...validateProjections(volume.projected.sources ?? [], `${path}.projected`));
  }
  return causes;
}

function validateMode(mode: number | undefined, field: string): ErrorCause[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalidValue(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

function validateItems(items: readonly KeyToPath[] | undefined, path: string): ErrorCause[] {
  return (items ?? []).flatMap((item, i) => {
    const field = `${path}[${i}]`;
    const causes = (item.key ?? '') === '' ? [required(`${field}.key`)] : [];
    if ((item.path ?? '') === '') causes.push(required(`${field}.path`));
    causes.push(...validateVolumeItemPath(item.path ?? '', `${field}.path`));
    causes.push(...validateMode(item.mode, `${field}.mode`));
    return causes;
  });
}

function validateDownwardFile(file: DownwardAPIVolumeFile, path: string): ErrorCause[] {
  const causes = (file.path ?? '') === '' ? [required(`${path}.path`)] : [];
  causes.push(...validateVolumeItemPath(file.path ?? '', `${path}.path`));
  if (file.fieldRef !== undefined) {
    causes.push(...validateFieldRef(file.fieldRef, volumeFieldPaths, `${path}.fieldRef`));
    if (file.resourceFieldRef !== undefined) {
      causes.push(invalidValue(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
  } else if (file.resourceFieldRef !== undefined) {
    causes.push(...validateResourceFieldRef(file.resourceFieldRef, true, `${path}.resourceFieldRef`));
  } else {
    causes.push(required(path, 'one of fieldRef and resourceFieldRef is required'));
  }
  causes.push(...validateMode(file.mode, `${path}.mode`));
  return causes;
}

function validateProjections(projections: readonly VolumeProjection[], path: string): ErrorCause[] {
  const paths = new Set<string>();
  return projections.flatMap((projection, i) => {
    const field = `${path}.sources[${i}]`;
    const kinds = Object.keys(projection);
    const causes = kinds
      .slice(1)
      .map((kind) => forbidden(`${field}.${kind}`, 'may not specify more than 1 volume type'));
    if (kinds.length === 0) causes.push(required(field, 'must specify at least one volume type'));
    for (const kind of ['secret', 'configMap'] as const) {
      const source = projection[kind];
      if (source === undefined) continue;
      if ((source.name ?? '') === '') causes.push(required(`${field}.${kind}.name`));
      causes.push(...validateItems(source.items, `${field}.${kind}.items`));
      for (const item of source.items ?? []) causes.push(...conflict(paths, item.path, `${field}.${kind}`));
    }
    for (const file of projection.downwardAPI?.items ?? []) {
      causes.push(...validateDownwardFile(file, `${field}.downwardAPI`));
      causes.push(...conflict(paths, file.path, `${field}.downwardAPI`));
    }
    if (projection.serviceAccountToken !== undefined) {
      const { expirationSeconds, path: file } = projection.serviceAccountToken;
      causes.push(...validateTokenLife(expirationSeconds ?? 3600, `${field}.serviceAccountToken.expirationSeconds`));
      if ((file ?? '') === '') causes.push(required(`${field}.serviceAccountToken.path`));
      else {
        causes.push(...validateVolumeItemPath(file, `${field}.serviceAccountToken.path`));
        causes.push(...conflict(paths, file, `${field}.serviceAccountToken.path`));
      }
    }
    const take: TakePath = (path, file) => [...validateVolumeItemPath(file, path), ...conflict(paths, file, path)];
    const { clusterTrustBundle, podCertificate } = projection;
    if (clusterTrustBundle !== undefined) {
      causes.push(...validateTrustProjection(clusterTrustBundle, `${field}.clusterTrustBundle`, take));
    }
    if (podCertificate !== undefined) {
      causes.push(...validateCertificateProjection(podCertificate, `${field}.podCertificate`, take));
    }
    return causes;
  });
}

function validateTokenLife(seconds: number, field: string): ErrorCause[] {
  if (seconds < 600) return [invalidValue(field, seconds, 'may not specify a duration less than 10 minutes')];
  return seconds > 2 ** 32 ? [invalidValue(field, seconds, 'may not specify a duration larger than 2^32 seconds')] : [];
}

function conflict(paths: Set<string>, path: string, field: string): ErrorCause[] {
  if (paths.has(path)) return [invalidValue(field, path, 'conflicting duplicate paths')];
  paths.add(path);
  return [];
}
