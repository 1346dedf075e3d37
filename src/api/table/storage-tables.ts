import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../generated/types.ts';
import type { ObjectMeta } from '../object.ts';
import { ageColumn, column, docOf, nameColumn, type TableSpec, wide } from './column.ts';
import { age } from './human-duration.ts';

const storageClassAnnotation = 'volume.beta.kubernetes.io/storage-class';
const accessModeNames = new Map([
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
]);

function accessModes(modes: readonly string[] | undefined): string {
  return [...accessModeNames].flatMap(([mode, short]) => (modes?.includes(mode) === true ? [short] : [])).join(',');
}

function storageClass(metadata: ObjectMeta, name: string | undefined): string {
  return metadata.annotations?.[storageClassAnnotation] ?? name ?? '';
}

export const persistentVolumeTable: TableSpec = {
  columns: [
    nameColumn,
    column('Capacity', docOf('core.v1.PersistentVolumeSpec.capacity')),
    column('Access Modes', docOf('core.v1.PersistentVolumeSpec.accessModes')),
    column('Reclaim Policy', docOf('core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy')),
    column('Status', docOf('core.v1.PersistentVolumeStatus.phase')),
    column('Claim', docOf('core.v1.PersistentVolumeSpec.claimRef')),
    column('StorageClass', 'StorageClass of the pv'),
    column('VolumeAttributesClass', 'VolumeAttributesClass of the pv'),
    column('Reason', docOf('core.v1.PersistentVolumeStatus.reason')),
    ageColumn,
    wide('VolumeMode', docOf('core.v1.PersistentVolumeSpec.volumeMode')),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as PersistentVolume;
    const claim = spec?.claimRef;
    return [
      metadata.name,
      spec?.capacity?.storage ?? '0',
      accessModes(spec?.accessModes),
      spec?.persistentVolumeReclaimPolicy ?? '',
      metadata.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
      claim === undefined ? '' : `${claim.namespace ?? ''}/${claim.name ?? ''}`,
      storageClass(metadata, spec?.storageClassName),
      spec?.volumeAttributesClassName ?? '<unset>',
      status?.reason ?? '',
      age(metadata.creationTimestamp, now),
      spec?.volumeMode ?? '<unset>',
    ];
  },
};

export const persistentVolumeClaimTable: TableSpec = {
  columns: [
    nameColumn,
    column('Status', docOf('core.v1.PersistentVolumeClaimStatus.phase')),
    column('Volume', docOf('core.v1.PersistentVolumeClaimSpec.volumeName')),
    column('Capacity', docOf('core.v1.PersistentVolumeClaimStatus.capacity')),
    column('Access Modes', docOf('core.v1.PersistentVolumeClaimStatus.accessModes')),
    column('StorageClass', 'StorageClass of the pvc'),
    column('VolumeAttributesClass', 'VolumeAttributesClass of the pvc'),
    ageColumn,
    wide('VolumeMode', docOf('core.v1.PersistentVolumeClaimSpec.volumeMode')),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as PersistentVolumeClaim;
    const bound = spec?.volumeName !== undefined && spec.volumeName !== '';
    return [
      metadata.name,
      metadata.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
      spec?.volumeName ?? '',
      bound ? (status?.capacity?.storage ?? '0') : '',
      bound ? accessModes(status?.accessModes) : '',
      storageClass(metadata, spec?.storageClassName),
      spec?.volumeAttributesClassName ?? '<unset>',
      age(metadata.creationTimestamp, now),
      spec?.volumeMode ?? '<unset>',
    ];
  },
};

function markDefault(metadata: ObjectMeta, annotations: readonly string[]): string {
  const isDefault = annotations.some((key) => metadata.annotations?.[key] === 'true');
  return isDefault ? `${metadata.name} (default)` : (metadata.name ?? '');
}

export const storageClassTable: TableSpec = {
  columns: [
    nameColumn,
    column('Provisioner', docOf('storage.v1.StorageClass.provisioner')),
    column('ReclaimPolicy', docOf('storage.v1.StorageClass.reclaimPolicy')),
    column('VolumeBindingMode', docOf('storage.v1.StorageClass.volumeBindingMode')),
    column('AllowVolumeExpansion', docOf('storage.v1.StorageClass.allowVolumeExpansion')),
    ageColumn,
  ],
  cells(object, now) {
    const kind = object as unknown as StorageClass;
    const name = markDefault(kind.metadata, [
      'storageclass.kubernetes.io/is-default-class',
      'storageclass.beta.kubernetes.io/is-default-class',
    ]);
    return [
      name,
      kind.provisioner ?? '',
      kind.reclaimPolicy ?? 'Delete',
      kind.volumeBindingMode ?? 'Immediate',
      kind.allowVolumeExpansion ?? false,
      age(kind.metadata.creationTimestamp, now),
    ];
  },
};

export const volumeAttributesClassTable: TableSpec = {
  columns: [nameColumn, column('DriverName', docOf('storage.v1.VolumeAttributesClass.driverName')), ageColumn],
  cells(object, now) {
    const kind = object as unknown as VolumeAttributesClass;
    const name = markDefault(kind.metadata, ['storage.alpha.kubernetes.io/is-default-class']);
    return [name, kind.driverName ?? '', age(kind.metadata.creationTimestamp, now)];
  },
};

export const volumeAttachmentTable: TableSpec = {
  columns: [
    nameColumn,
    { ...column('Attacher', docOf('storage.v1.VolumeAttachmentSpec.attacher')), format: 'name' },
    column('PV', docOf('storage.v1.VolumeAttachmentSource.persistentVolumeName')),
    column('Node', docOf('storage.v1.VolumeAttachmentSpec.nodeName')),
    column('Attached', docOf('storage.v1.VolumeAttachmentStatus.attached'), 'boolean'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as VolumeAttachment;
    return [
      metadata.name,
      spec?.attacher ?? '',
      spec?.source?.persistentVolumeName ?? '',
      spec?.nodeName ?? '',
      status?.attached ?? false,
      age(metadata.creationTimestamp, now),
    ];
  },
};

export const csiNodeTable: TableSpec = {
  columns: [
    nameColumn,
    column('Drivers', 'Drivers indicates the number of CSI drivers registered on the node', 'integer'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as CSINode;
    return [metadata.name, (spec?.drivers ?? []).length, age(metadata.creationTimestamp, now)];
  },
};

export const csiDriverTable: TableSpec = {
  columns: [
    nameColumn,
    column('AttachRequired', docOf('storage.v1.CSIDriverSpec.attachRequired'), 'boolean'),
    column('PodInfoOnMount', docOf('storage.v1.CSIDriverSpec.podInfoOnMount'), 'boolean'),
    column('StorageCapacity', docOf('storage.v1.CSIDriverSpec.storageCapacity'), 'boolean'),
    column('TokenRequests', docOf('storage.v1.CSIDriverSpec.tokenRequests')),
    column('RequiresRepublish', docOf('storage.v1.CSIDriverSpec.requiresRepublish'), 'boolean'),
    column('Modes', docOf('storage.v1.CSIDriverSpec.volumeLifecycleModes')),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as CSIDriver;
    const modes = (spec?.volumeLifecycleModes ?? []).join(',');
    return [
      metadata.name,
      spec?.attachRequired ?? true,
      spec?.podInfoOnMount ?? false,
      spec?.storageCapacity ?? false,
      spec?.tokenRequests?.map((request) => request.audience).join(',') ?? '<unset>',
      spec?.requiresRepublish ?? false,
      modes === '' ? '<none>' : modes,
      age(metadata.creationTimestamp, now),
    ];
  },
};

export const csiStorageCapacityTable: TableSpec = {
  columns: [
    nameColumn,
    column('StorageClassName', docOf('storage.v1.CSIStorageCapacity.storageClassName')),
    column('Capacity', docOf('storage.v1.CSIStorageCapacity.capacity')),
  ],
  cells(object) {
    const { metadata, storageClassName, capacity } = object as unknown as CSIStorageCapacity;
    return [metadata.name, storageClassName ?? '', capacity ?? '<unset>'];
  },
};
