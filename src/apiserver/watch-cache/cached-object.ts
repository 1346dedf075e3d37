import type { KubeObject } from '../../api/object.ts';
import type { CachedObject } from './watch-cache.ts';

/** An object of a cache, made of what the store holds. */
export class StoredObject implements CachedObject {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly resourceVersion: number;
  #object: KubeObject | undefined;

  constructor(prefix: string, key: string, value: Uint8Array, resourceVersion: number) {
    const path = key.slice(prefix.length);
    const slash = path.indexOf('/');
    this.key = key;
    this.namespace = slash < 0 ? '' : path.slice(0, slash);
    this.name = path.slice(slash + 1);
    this.bytes = Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.resourceVersion = resourceVersion;
  }

  object(): KubeObject {
    this.#object ??= this.copy();
    return this.#object;
  }

  copy(): KubeObject {
    return JSON.parse(this.bytes.toString());
  }
}

/** The same state under another `resourceVersion`: what the last event of an object carries. */
export function withResourceVersion(prefix: string, object: CachedObject, revision: number): StoredObject {
  if (object.bytes.includes(`"resourceVersion":"${revision}"`)) {
    return new StoredObject(prefix, object.key, object.bytes, revision);
  }
  const copy = object.copy();
  copy.metadata.resourceVersion = String(revision);
  return new StoredObject(prefix, object.key, Buffer.from(JSON.stringify(copy)), revision);
}
