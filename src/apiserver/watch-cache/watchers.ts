import type { Change, FramedEvent } from './events.ts';
import type { Watcher } from './watcher.ts';

/** The watchers of a resource, so that a change finds those that it concerns without asking each of them. */
export class Watchers {
  readonly #all = new Set<Watcher>();
  readonly #everything = new Set<Watcher>();
  readonly #byNamespace = new Map<string, Set<Watcher>>();
  readonly #byName = new Map<string, Set<Watcher>>();

  get size(): number {
    return this.#all.size;
  }

  add(watcher: Watcher): void {
    this.#all.add(watcher);
    const { name = '', namespace = '' } = watcher.selection;
    if (name !== '') addTo(this.#byName, nameKey(namespace, name), watcher);
    else if (namespace !== '') addTo(this.#byNamespace, namespace, watcher);
    else this.#everything.add(watcher);
  }

  remove(watcher: Watcher): void {
    this.#all.delete(watcher);
    const { name = '', namespace = '' } = watcher.selection;
    if (name !== '') removeFrom(this.#byName, nameKey(namespace, name), watcher);
    else if (namespace !== '') removeFrom(this.#byNamespace, namespace, watcher);
    else this.#everything.delete(watcher);
  }

  offer(change: Change): void {
    for (const watcher of this.#everything) watcher.offer(change);
    const { namespace, name } = change;
    if (namespace !== '') offerTo(this.#byNamespace.get(namespace), change);
    if (this.#byName.size === 0) return;
    if (namespace !== '') offerTo(this.#byName.get(nameKey(namespace, name)), change);
    offerTo(this.#byName.get(nameKey('', name)), change);
  }

  /** Sends `event` to those that want bookmarks and whose turn it is. `make` is called only when there is one. */
  bookmark(now: number, make: () => FramedEvent): void {
    let event: FramedEvent | undefined;
    for (const watcher of this.#all) {
      if (watcher.bookmarks?.isDue(now) !== true) continue;
      event ??= make();
      watcher.bookmark(event);
    }
  }

  end(): void {
    for (const watcher of [...this.#all]) watcher.end('closed');
  }
}

/** Neither part holds a slash. */
function nameKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function offerTo(watchers: Set<Watcher> | undefined, change: Change): void {
  if (watchers !== undefined) for (const watcher of watchers) watcher.offer(change);
}

function addTo(map: Map<string, Set<Watcher>>, key: string, watcher: Watcher): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([watcher]));
  else known.add(watcher);
}

function removeFrom(map: Map<string, Set<Watcher>>, key: string, watcher: Watcher): void {
  const known = map.get(key);
  known?.delete(watcher);
  if (known?.size === 0) map.delete(key);
}
