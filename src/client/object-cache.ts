/** Objects by namespace and name. */
export class ObjectCache<T> {
  readonly #namespaces = new Map<string, Map<string, T>>();

  get(namespace: string, name: string): T | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }

  set(namespace: string, name: string, object: T): void {
    let objects = this.#namespaces.get(namespace);
    if (objects === undefined) {
      objects = new Map();
      this.#namespaces.set(namespace, objects);
    }
    objects.set(name, object);
  }

  /** Whether it was there. */
  delete(namespace: string, name: string): boolean {
    const objects = this.#namespaces.get(namespace);
    if (objects?.delete(name) !== true) return false;
    if (objects.size === 0) this.#namespaces.delete(namespace);
    return true;
  }

  all(): T[] {
    const all: T[] = [];
    for (const objects of this.#namespaces.values()) for (const object of objects.values()) all.push(object);
    return all;
  }

  inNamespace(namespace: string): T[] {
    return [...(this.#namespaces.get(namespace)?.values() ?? [])];
  }
}
