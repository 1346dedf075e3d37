import type { StoredObject } from './cached-object.ts';

/** The objects of a resource in the order of their keys, and by key. */
export class SortedObjects {
  #sorted: StoredObject[];
  #shared = false;
  readonly #byKey = new Map<string, StoredObject>();

  constructor(sorted: StoredObject[] = []) {
    this.#sorted = sorted;
    for (const object of sorted) this.#byKey.set(object.key, object);
  }

  /** In order. Changes with the next `set` or `delete`. */
  get all(): readonly StoredObject[] {
    return this.#sorted;
  }

  /** The same, to keep: the next change is made to a copy. */
  share(): readonly StoredObject[] {
    this.#shared = true;
    return this.#sorted;
  }

  get(key: string): StoredObject | undefined {
    return this.#byKey.get(key);
  }

  /** Returns what the key held. */
  set(object: StoredObject): StoredObject | undefined {
    this.#own();
    const previous = this.#byKey.get(object.key);
    const at = lowerBound(this.#sorted, object.key);
    if (previous === undefined) this.#sorted.splice(at, 0, object);
    else this.#sorted[at] = object;
    this.#byKey.set(object.key, object);
    return previous;
  }

  /** Returns what the key held. */
  delete(key: string): StoredObject | undefined {
    const previous = this.#byKey.get(key);
    if (previous === undefined) return undefined;
    this.#own();
    this.#sorted.splice(lowerBound(this.#sorted, key), 1);
    this.#byKey.delete(key);
    return previous;
  }

  #own(): void {
    if (!this.#shared) return;
    this.#sorted = this.#sorted.slice();
    this.#shared = false;
  }
}

/** The index of the first object whose key is not before `key`. */
export function lowerBound(sorted: readonly StoredObject[], key: string): number {
  // Where one of two strings has no unit from U+D800 on, both orders agree; and this one is much faster.
  const isBefore = /[\ud800-\uffff]/.test(key)
    ? (other: string): boolean => compareKeys(other, key) < 0
    : (other: string): boolean => other < key;
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(sorted[middle]!.key)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Orders strings by their UTF-8 bytes, as the store does. JavaScript orders by UTF-16 units, which differs only where a surrogate (a
 * character above U+FFFF) meets one of U+E000 to U+FFFF.
 */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === length) return a.length - b.length;
  return utf8Rank(a.charCodeAt(i)) - utf8Rank(b.charCodeAt(i));
}

function utf8Rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
