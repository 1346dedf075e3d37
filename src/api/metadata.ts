import type { ErrorCause } from '../lib/errors.ts';
import {
  child,
  forbidden,
  goQuote,
  invalidEach,
  invalidValue,
  notSupported,
  required,
  together,
  tooLong,
} from './field-error.ts';
import { semanticEqual } from './json-object.ts';
import {
  dns1123Label,
  labelValue,
  maskTrailingDash,
  pathSegmentName,
  pathSegmentPrefix,
  qualifiedName,
} from './names.ts';
import type { ObjectMeta, OwnerReference } from './object.ts';

/** All keys and values of an object's annotations together, in bytes. Stops an object from being a disk of its own. */
export const annotationsMaxBytes = 256 * 1024;

/** The sentences that say what is wrong with a name; `prefix` is true for a `generateName`. */
export type NameRule = (name: string, prefix: boolean) => string[];

/** Lets a rule for whole names judge a `generateName` as Kubernetes does. */
export function nameRule(rule: (name: string) => string[]): NameRule {
  return (name, prefix) => rule(prefix ? maskTrailingDash(name) : name);
}

/** Names such as `system:node`: anything that stands in a URL's path. RBAC kinds and certificate requests have them. */
export const pathSegmentRule: NameRule = (name, prefix) => (prefix ? pathSegmentPrefix(name) : pathSegmentName(name));

/** What every create validates, before the kind's own rules. */
export function validateMetadata(meta: ObjectMeta, namespaced: boolean, rule: NameRule): ErrorCause[] {
  const path = 'metadata';
  const causes: ErrorCause[] = [];
  if (meta.generateName !== undefined && meta.generateName !== '') {
    causes.push(...invalidEach(child(path, 'generateName'), meta.generateName, rule(meta.generateName, true)));
  }
  if (meta.name === undefined || meta.name === '') {
    causes.push(required(child(path, 'name'), 'name or generateName is required'));
  } else {
    causes.push(...invalidEach(child(path, 'name'), meta.name, rule(meta.name, false)));
  }
  causes.push(...validateNamespace(meta.namespace, namespaced));
  causes.push(...nonNegative(child(path, 'generation'), meta.generation));
  causes.push(...validateCommonMetadata(meta, path));
  causes.push(...validateFinalizers(meta.finalizers, child(path, 'finalizers')));
  causes.push(...validateManagedFields(meta.managedFields, child(path, 'managedFields')));
  return causes;
}

/** What every update validates: what identifies an object never changes. */
export function validateMetadataUpdate(meta: ObjectMeta, old: ObjectMeta): ErrorCause[] {
  const path = 'metadata';
  const causes: ErrorCause[] = [];
  if (old.deletionTimestamp !== undefined) {
    const extra = (meta.finalizers ?? []).filter((name) => !(old.finalizers ?? []).includes(name)).sort();
    if (extra.length > 0) {
      const list = `[]string{${[...new Set(extra)].map(goQuote).join(', ')}}`;
      const text = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`;
      causes.push(forbidden(child(path, 'finalizers'), text));
    }
  }
  if (meta.resourceVersion === undefined || meta.resourceVersion === '') {
    causes.push(invalidValue(child(path, 'resourceVersion'), '', 'must be specified for an update'));
  }
  causes.push(...nonNegative(child(path, 'generation'), meta.generation));
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    causes.push(invalidValue(child(path, 'generation'), meta.generation ?? 0, 'must not be decremented'));
  }
  for (const field of ['name', 'namespace', 'uid'] as const) {
    causes.push(...immutable(child(path, field), meta[field] ?? '', old[field] ?? ''));
  }
  for (const field of ['creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    causes.push(...immutable(child(path, field), meta[field] ?? null, old[field] ?? null));
  }
  causes.push(...validateCommonMetadata(meta, path));
  causes.push(...validateManagedFields(meta.managedFields, child(path, 'managedFields')));
  return causes;
}

/** Removes what only the server sets. The caller fills name, uid, creationTimestamp and resourceVersion. */
export function prepareMetadataForCreate(meta: ObjectMeta): void {
  if (meta.deletionTimestamp !== undefined) delete meta.deletionTimestamp;
  if (meta.deletionGracePeriodSeconds !== undefined) delete meta.deletionGracePeriodSeconds;
  if (meta.selfLink !== undefined) delete meta.selfLink;
}

/** An update cannot change what only the server sets: it gets the stored values again. */
export function prepareMetadataForUpdate(meta: ObjectMeta, old: ObjectMeta): void {
  keep(meta, old, 'generation');
  keep(meta, old, 'creationTimestamp');
  if (meta.uid === undefined || meta.uid === '') keep(meta, old, 'uid');
  if (old.deletionTimestamp !== undefined) keep(meta, old, 'deletionTimestamp');
  if (meta.deletionGracePeriodSeconds === undefined) keep(meta, old, 'deletionGracePeriodSeconds');
  delete meta.selfLink;
}

function keep<K extends keyof ObjectMeta>(meta: ObjectMeta, old: ObjectMeta, field: K): void {
  const value = old[field];
  if (value === undefined) delete meta[field];
  else meta[field] = value;
}

/** `spec: Invalid value: …: field is immutable`, unless the two are the same. */
export function immutable(field: string, value: unknown, old: unknown): ErrorCause[] {
  return semanticEqual(value, old) ? [] : [invalidValue(field, value, 'field is immutable')];
}

export function nonNegative(field: string, value: number | null | undefined): ErrorCause[] {
  return value !== undefined && value !== null && value < 0
    ? [invalidValue(field, value, 'must be greater than or equal to 0')]
    : [];
}

function validateNamespace(namespace: string | undefined, namespaced: boolean): ErrorCause[] {
  const field = 'metadata.namespace';
  if (!namespaced) {
    return namespace === undefined || namespace === '' ? [] : [forbidden(field, 'not allowed on this type')];
  }
  if (namespace === undefined || namespace === '') return [required(field)];
  return invalidEach(field, namespace, dns1123Label(namespace));
}

function validateCommonMetadata(meta: ObjectMeta, path: string): ErrorCause[] {
  return together(
    validateLabels(meta.labels, child(path, 'labels')),
    validateAnnotations(meta.annotations, child(path, 'annotations')),
    validateOwnerReferences(meta.ownerReferences, child(path, 'ownerReferences')),
  );
}

export function validateLabels(labels: Record<string, string> | null | undefined, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    causes.push(...invalidEach(path, key, qualifiedName(key)), ...invalidEach(path, value, labelValue(value)));
  }
  return causes;
}

export function validateAnnotations(
  annotations: Record<string, string> | null | undefined,
  path: string,
): ErrorCause[] {
  const causes: ErrorCause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    causes.push(...invalidEach(path, key, qualifiedName(key.toLowerCase())));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > annotationsMaxBytes) causes.push(tooLong(path, annotationsMaxBytes));
  return causes;
}

export function validateOwnerReferences(references: OwnerReference[] | undefined, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  let controller: string | undefined;
  for (const [i, reference] of (references ?? []).entries()) {
    const field = `${path}[${i}]`;
    causes.push(...validateOwnerReference(reference, field));
    if (reference.controller !== true) continue;
    const name = `${reference.kind}/${reference.name}`;
    if (controller === undefined) controller = name;
    else {
      const text = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`;
      causes.push(invalidValue(path, references, text));
    }
  }
  return causes;
}

function validateOwnerReference(reference: OwnerReference, field: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  const version = reference.apiVersion ?? '';
  if (version === '') causes.push(required(child(field, 'apiVersion'), 'must not be empty'));
  else if (!/^([^/]+\/)?[^/]+$/.test(version)) {
    causes.push(invalidValue(child(field, 'apiVersion'), version, 'must be <group>/<version> or <version>'));
  }
  for (const name of ['kind', 'name', 'uid'] as const) {
    if ((reference[name] ?? '') === '') causes.push(required(child(field, name), 'must not be empty'));
  }
  if (version === 'v1' && reference.kind === 'Event') {
    causes.push(invalidValue(field, reference, '/v1, Kind=Event is disallowed from being an owner'));
  }
  return causes;
}

/** `orphan` and `foregroundDeletion` exclude each other. */
export function validateFinalizers(finalizers: string[] | undefined, path: string): ErrorCause[] {
  const causes = (finalizers ?? []).flatMap((name) => invalidEach(path, name, qualifiedName(name)));
  if (finalizers?.includes('orphan') === true && finalizers.includes('foregroundDeletion')) {
    causes.push(invalidValue(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return causes;
}

function validateManagedFields(entries: unknown[] | undefined, path: string): ErrorCause[] {
  return (entries ?? []).flatMap((entry, i) => {
    const field = `${path}[${i}]`;
    const { operation, fieldsType, manager, subresource } = entry as Record<string, string | undefined>;
    const causes: ErrorCause[] = [];
    if (operation === undefined || operation === '')
      causes.push(required(child(field, 'operation'), 'must not be empty'));
    else if (operation !== 'Apply' && operation !== 'Update') {
      causes.push(notSupported(child(field, 'operation'), operation, ['Apply', 'Update']));
    }
    if (fieldsType !== undefined && fieldsType !== '' && fieldsType !== 'FieldsV1') {
      causes.push(invalidValue(child(field, 'fieldsType'), fieldsType, 'must be `FieldsV1`'));
    }
    causes.push(...validateFieldManager(manager ?? '', child(field, 'manager')));
    if (Buffer.byteLength(subresource ?? '') > 256) causes.push(tooLong(child(field, 'subresource'), 256));
    return causes;
  });
}

/** A field manager's name: at most 128 bytes, printable. */
export function validateFieldManager(manager: string, field: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (Buffer.byteLength(manager) > 128) causes.push(tooLong(field, 128));
  let position = 0;
  for (const char of manager) {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) {
      const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      causes.push(invalidValue(field, manager, `invalid character U+${code} (at position ${position})`));
    }
    position += Buffer.byteLength(char);
  }
  return causes;
}
