import type { StoredObject } from './cached-object.ts';
import { MAX_SNAPSHOTS, SNAPSHOT_MS } from './limits.ts';

interface Snapshot {
  readonly objects: readonly StoredObject[];
  readonly at: number;
}

/** Earlier states of a resource, for clients that page through them. The oldest go first. */
export class Snapshots {
  readonly #byRevision = new Map<number, Snapshot>();

  get(revision: number): readonly StoredObject[] | undefined {
    return this.#byRevision.get(revision)?.objects;
  }

  keep(revision: number, objects: readonly StoredObject[], now: number): void {
    this.#byRevision.delete(revision);
    this.#byRevision.set(revision, { objects, at: now });
    for (const oldest of this.#byRevision.keys()) {
      if (this.#byRevision.size <= MAX_SNAPSHOTS) break;
      this.#byRevision.delete(oldest);
    }
  }

  forget(now: number): void {
    for (const [revision, { at }] of this.#byRevision) {
      if (at <= now - SNAPSHOT_MS) this.#byRevision.delete(revision);
    }
  }

  clear(): void {
    this.#byRevision.clear();
  }
}
