import type { ErrorCause } from '../lib/errors.ts';
import { forbidden, invalidValue, notSupported, required } from './field-error.ts';
import type {
  HorizontalPodAutoscaler,
  Ingress,
  PersistentVolume,
  PersistentVolumeClaim,
  PriorityClass,
} from './generated/types.ts';
import { immutable } from './metadata.ts';
import type { KubeObject } from './object.ts';

/**
 * Kinds that are stored and shown, and whose behaviour comes later: what the schema alone cannot say against them. Required fields and
 * enums are checked by `structural/check-structure.ts`.
 */
const systemClasses: ReadonlyMap<string, number> = new Map([
  ['system-cluster-critical', 2_000_000_000],
  ['system-node-critical', 2_000_001_000],
]);

/** What is above is for the system's own pods, which nobody's may push off a node. */
const HIGHEST_USER_PRIORITY = 1_000_000_000;

export function validatePriorityClass(object: KubeObject): ErrorCause[] {
  const { metadata, value = 0, globalDefault = false } = object as unknown as PriorityClass;
  const name = metadata.name ?? '';
  if (name.startsWith('system-')) {
    const wanted = systemClasses.get(name);
    if (wanted === value && !globalDefault) return [];
    const why =
      wanted === undefined
        ? `${name} is not a known system priority class`
        : wanted === value
          ? `globalDefault of ${name} PriorityClass must be false`
          : `value of ${name} PriorityClass must be ${wanted}`;
    const text = "priority class names with 'system-' prefix are reserved for system use only. error: ";
    return [forbidden('metadata.name', text + why)];
  }
  if (value <= HIGHEST_USER_PRIORITY) return [];
  return [forbidden('value', `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`)];
}

export function validatePriorityClassUpdate(object: KubeObject, old: KubeObject): ErrorCause[] {
  const now = object as unknown as PriorityClass;
  const before = old as unknown as PriorityClass;
  const causes: ErrorCause[] = [];
  if ((now.value ?? 0) !== (before.value ?? 0)) causes.push(forbidden('value', 'may not be changed in an update.'));
  return [...causes, ...immutable('preemptionPolicy', now.preemptionPolicy, before.preemptionPolicy)];
}

export function validateClaim(object: KubeObject): ErrorCause[] {
  const { spec } = object as unknown as PersistentVolumeClaim;
  const causes: ErrorCause[] = [];
  if ((spec?.accessModes ?? []).length === 0) {
    causes.push(required('spec.accessModes', 'at least 1 access mode is required'));
  }
  if (spec?.resources?.requests?.['storage'] === undefined) causes.push(required('spec.resources[storage]'));
  return causes;
}

/** The fields of a volume's spec that say nothing about where it is. */
const volumeAttributes: ReadonlySet<string> = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);

export function validateVolume(object: KubeObject): ErrorCause[] {
  const { spec = {} } = object as unknown as PersistentVolume;
  const causes = (spec.accessModes ?? []).length === 0 ? [required('spec.accessModes')] : [];
  const capacity = Object.keys(spec.capacity ?? {});
  if (capacity.length === 0) causes.push(required('spec.capacity'));
  else if (capacity.length > 1 || capacity[0] !== 'storage') {
    causes.push(notSupported('spec.capacity', spec.capacity, ['storage']));
  }
  const sources = Object.keys(spec).filter((field) => !volumeAttributes.has(field));
  if (sources.length === 0) causes.push(required('spec', 'must specify a volume type'));
  for (const source of sources.slice(1)) {
    causes.push(forbidden(`spec.${source}`, 'may not specify more than 1 volume type'));
  }
  return causes;
}

export function validateIngress(object: KubeObject): ErrorCause[] {
  const { spec } = object as unknown as Ingress;
  if (spec?.defaultBackend !== undefined || (spec?.rules ?? []).length > 0) return [];
  return [invalidValue('spec', null, 'either `defaultBackend` or `rules` must be specified')];
}

export function validateAutoscaler(object: KubeObject): ErrorCause[] {
  const { minReplicas = 1, maxReplicas = 0 } = (object as unknown as HorizontalPodAutoscaler).spec ?? {};
  const causes: ErrorCause[] = [];
  if (minReplicas < 1) {
    causes.push(invalidValue('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
  }
  if (maxReplicas < 1) causes.push(invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
  if (maxReplicas < minReplicas) {
    causes.push(invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  }
  return causes;
}
