import type { ErrorCause } from '../../lib/errors.ts';
import { invalidValue } from '../field-error.ts';

/** A path below some folder: relative, and never out of it. Stops a mount from naming a file of the host or of another pod. */
export function validateDescendingPath(path: string, field: string): ErrorCause[] {
  const causes = path.startsWith('/') ? [invalidValue(field, path, 'must be a relative path')] : [];
  return [...causes, ...validateNoBacksteps(path, field)];
}

export function validateNoBacksteps(path: string, field: string): ErrorCause[] {
  return path.split('/').includes('..') ? [invalidValue(field, path, "must not contain '..'")] : [];
}

/** As `validateDescendingPath`, for a file that the kubelet writes: it must not hide among the kubelet's own `..data`. */
export function validateVolumeItemPath(path: string, field: string): ErrorCause[] {
  const causes = validateDescendingPath(path, field);
  return path.startsWith('..') && !path.startsWith('../') && path !== '..'
    ? [...causes, invalidValue(field, path, "must not start with '..'")]
    : causes;
}
