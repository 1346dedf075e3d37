import type { KubeObject } from '../api/object.ts';
import type { CredentialAnchor } from '../authn/credential-anchor.ts';
import type { CachedObject, WatchCaches } from './watch-cache/watch-cache.ts';

/** Is told until when something holds; again when that changes. */
type Tell = (endsAt: number) => void;

interface Holder {
  readonly anchor: CredentialAnchor;
  readonly tell: Tell;
}

const kinds: Readonly<Record<CredentialAnchor['resource'], string>> = {
  nodes: 'Node',
  pods: 'Pod',
  secrets: 'Secret',
  serviceaccounts: 'ServiceAccount',
};

/**
 * What lasts (watches, streams, connections to kubelets) and the objects that it hangs on: it ends when the credential that it was opened
 * with does, or the Node that it leads to.
 */
export class Anchors {
  readonly #caches: WatchCaches;
  readonly #followed = new Map<CredentialAnchor['resource'], Followed>();

  constructor(caches: WatchCaches) {
    this.#caches = caches;
  }

  /** Tells until when the anchors hold, now and whenever one of them changes. The answer stops that. */
  hold(anchors: readonly CredentialAnchor[], tell: Tell): () => void {
    const releases = anchors.map((anchor) => this.#of(anchor.resource).add({ anchor, tell }));
    return () => {
      for (const release of releases) release();
    };
  }

  #of(resource: CredentialAnchor['resource']): Followed {
    const known = this.#followed.get(resource);
    if (known !== undefined) return known;
    const cache = this.#caches.of({ group: '', apiVersion: 'v1', kind: kinds[resource], plural: resource });
    const followed = new Followed((namespace, name) => cache.get(namespace, name));
    this.#followed.set(resource, followed);
    cache.follow(followed).catch(() => {
      // What cannot be watched over must not go on.
      this.#followed.delete(resource);
      followed.reset([]);
    });
    return followed;
  }
}

/** The holders of one resource's objects. */
class Followed {
  readonly #holders = new Map<string, Set<Holder>>();
  readonly #read: (namespace: string, name: string) => Promise<CachedObject | undefined>;

  constructor(read: (namespace: string, name: string) => Promise<CachedObject | undefined>) {
    this.#read = read;
  }

  add(holder: Holder): () => void {
    const { namespace, name } = holder.anchor;
    const key = keyOf(namespace, name);
    const holders = this.#holders.get(key) ?? new Set<Holder>();
    this.#holders.set(key, holders.add(holder));
    // It may have ended since it was looked at last.
    const now = (object: CachedObject | undefined): void => {
      if (holders.has(holder)) tell(holder, object?.object());
    };
    this.#read(namespace, name).then(now, () => now(undefined));
    return () => {
      holders.delete(holder);
      if (holders.size === 0 && this.#holders.get(key) === holders) this.#holders.delete(key);
    };
  }

  reset(objects: readonly CachedObject[]): void {
    if (this.#holders.size === 0) return;
    const found = new Map(objects.map((object) => [keyOf(object.namespace, object.name), object]));
    for (const [key, holders] of [...this.#holders]) this.#tellAll(holders, found.get(key)?.object());
  }

  changed(object: CachedObject, deleted: boolean): void {
    if (this.#holders.size === 0) return;
    const holders = this.#holders.get(keyOf(object.namespace, object.name));
    if (holders !== undefined) this.#tellAll(holders, deleted ? undefined : object.object());
  }

  #tellAll(holders: ReadonlySet<Holder>, object: KubeObject | undefined): void {
    for (const holder of [...holders]) tell(holder, object);
  }
}

function tell({ anchor, tell: listener }: Holder, object: KubeObject | undefined): void {
  listener(anchor.endsAt(object));
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
