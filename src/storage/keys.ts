import { CausewayError } from '../lib/errors.ts';

const ROOT = '/registry/';

/** The longest key that a store must take, in UTF-8 bytes (LMDB with 4 KiB pages takes 1978). */
export const MAX_KEY_BYTES = 1_024;

/** What all keys begin with. */
export const REGISTRY_PREFIX = ROOT;

/**
 * The prefix of all objects of a resource, with its closing slash: `/registry/pods/`, `/registry/apps/deployments/`.
 * The versions of a resource share it.
 */
export function resourcePrefix(group: string, resource: string): string {
  if (group !== '') checkSegment('group', group);
  checkSegment('resource', resource);
  return group === '' ? `${ROOT}${resource}/` : `${ROOT}${group}/${resource}/`;
}

/** The prefix of the objects of a resource in one namespace; of all of them when `namespace` is empty. */
export function namespacePrefix(group: string, resource: string, namespace: string): string {
  const prefix = resourcePrefix(group, resource);
  if (namespace === '') return prefix;
  checkSegment('namespace', namespace);
  return `${prefix}${namespace}/`;
}

/**
 * `/registry/pods/default/web`, `/registry/nodes/n1`, `/registry/apps/deployments/default/web`. An empty namespace means a
 * cluster-scoped object. Throws `BadRequest` for a part that would reach out of its place in the tree.
 */
export function storageKey(group: string, resource: string, namespace: string, name: string): string {
  checkSegment('name', name);
  const key = namespacePrefix(group, resource, namespace) + name;
  // Most keys are far from the limit; only then are the bytes counted.
  checkKey(key);
  return key;
}

function checkSegment(what: string, segment: string): void {
  if (segment === '' || segment === '.' || segment === '..' || /[/\0]/.test(segment) || !segment.isWellFormed()) {
    throw new CausewayError('BadRequest', `invalid ${what} ${JSON.stringify(segment)}`);
  }
}

/** Throws as `keyBytes` does, without making the bytes. */
export function checkKey(key: string): void {
  if (key.length * 3 > MAX_KEY_BYTES || key === '' || !key.isWellFormed()) keyBytes(key);
}

/** A key as the store orders it. Throws `BadRequest` for one that no store takes. */
export function keyBytes(key: string): Buffer {
  if (key === '' || !key.isWellFormed()) throw new CausewayError('BadRequest', 'invalid storage key');
  const bytes = Buffer.from(key);
  if (bytes.length > MAX_KEY_BYTES) {
    throw new CausewayError('BadRequest', `the object's key is longer than ${MAX_KEY_BYTES} bytes`);
  }
  return bytes;
}

/** The first bytes after all keys that begin with `prefix`. */
export function prefixEnd(prefix: string): Buffer {
  const bytes = Buffer.from(prefix);
  // UTF-8 has no byte 0xff, so adding one to the last byte cannot overflow.
  if (bytes.length === 0) return Buffer.from([0xff]);
  bytes[bytes.length - 1]! += 1;
  return bytes;
}
