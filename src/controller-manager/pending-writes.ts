import type { Informer } from '../client/informer.ts';
import type { KubeLike } from '../client/rest-client.ts';

/**
 * What a controller has written and its informers do not show yet, by the key that it works on. A controller that counts what
 * it has must wait for it, or it would create or delete the same thing twice.
 */
export class PendingWrites {
  readonly #byKey = new Map<string, Set<() => boolean>>();

  /** `object` as the apiserver answered it. */
  written<T extends KubeLike>(key: string, informer: Informer<T>, object: T): void {
    const version = object.metadata?.resourceVersion;
    this.#add(key, () => informer.hasSeen(version));
  }

  /** `object` as it was before the apiserver agreed to delete it. */
  deleted<T extends KubeLike>(key: string, informer: Informer<T>, object: T): void {
    const { namespace = '', name = '', uid } = object.metadata ?? {};
    this.#add(key, () => {
      const now = informer.get(namespace, name)?.metadata;
      return now === undefined || now.uid !== uid || now.deletionTimestamp !== undefined;
    });
  }

  /** Whether the informers show everything. */
  settled(key: string): boolean {
    const pending = this.#byKey.get(key);
    if (pending === undefined) return true;
    for (const isSeen of pending) if (isSeen()) pending.delete(isSeen);
    if (pending.size > 0) return false;
    this.#byKey.delete(key);
    return true;
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }

  #add(key: string, isSeen: () => boolean): void {
    const pending = this.#byKey.get(key);
    if (pending === undefined) this.#byKey.set(key, new Set([isSeen]));
    else pending.add(isSeen);
  }
}
