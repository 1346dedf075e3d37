import type { StoredObject } from './cached-object.ts';

/** Changes that may wait in any case for somebody who asks for the order, and the bytes that old objects may hold until then. */
const MAX_UNSORTED = 1_024;
const MAX_STALE_BYTES = 4 * 1024 * 1024;

/** Up to here each change is moved to its place by itself; beyond, one pass over all objects is cheaper. */
const FEW = 8;

/**
 * The objects of a resource by key, and in the order of their keys. The order is made when it is asked for: many writes come between two lists,
 * and moving half of a long array for each of them would cost more than the rest of the write.
 */
export class SortedObjects {
  #sorted: StoredObject[];
  #shared = false;
  /** Keys whose change `#sorted` does not show yet. */
  readonly #unsorted = new Set<string>();
  #staleBytes = 0;
  readonly #byKey = new Map<string, StoredObject>();

  constructor(sorted: StoredObject[] = []) {
    this.#sorted = sorted;
    for (const object of sorted) this.#byKey.set(object.key, object);
  }

  /** In order. Changes with the next look after a `set` or `delete`. */
  get all(): readonly StoredObject[] {
    this.#sort();
    return this.#sorted;
  }

  /** The same, to keep: the next change is made to a copy. */
  share(): readonly StoredObject[] {
    this.#sort();
    this.#shared = true;
    return this.#sorted;
  }

  get(key: string): StoredObject | undefined {
    return this.#byKey.get(key);
  }

  /** Returns what the key held. */
  set(object: StoredObject): StoredObject | undefined {
    const previous = this.#byKey.get(object.key);
    this.#byKey.set(object.key, object);
    this.#changed(object.key, previous);
    return previous;
  }

  /** Returns what the key held. */
  delete(key: string): StoredObject | undefined {
    const previous = this.#byKey.get(key);
    if (previous === undefined) return undefined;
    this.#byKey.delete(key);
    this.#changed(key, previous);
    return previous;
  }

  #changed(key: string, previous: StoredObject | undefined): void {
    this.#unsorted.add(key);
    this.#staleBytes += previous?.bytes.length ?? 0;
    // In proportion, or many writes to a large resource would move all of it again and again.
    const most = Math.max(MAX_UNSORTED, this.#sorted.length >> 3);
    if (this.#unsorted.size >= most || this.#staleBytes > MAX_STALE_BYTES) this.#sort();
  }

  #sort(): void {
    if (this.#unsorted.size === 0) return;
    if (this.#unsorted.size > FEW) this.#sorted = this.#merged();
    else {
      if (this.#shared) this.#sorted = this.#sorted.slice();
      for (const key of this.#unsorted) this.#place(key);
    }
    this.#shared = false;
    this.#unsorted.clear();
    this.#staleBytes = 0;
  }

  #place(key: string): void {
    const at = lowerBound(this.#sorted, key);
    const there = this.#sorted[at]?.key === key ? 1 : 0;
    const object = this.#byKey.get(key);
    if (object === undefined) this.#sorted.splice(at, there);
    else if (there === 1) this.#sorted[at] = object;
    else this.#sorted.splice(at, 0, object);
  }

  #merged(): StoredObject[] {
    const merged: StoredObject[] = [];
    let next = 0;
    for (const key of [...this.#unsorted].sort(compareKeys)) {
      const at = lowerBound(this.#sorted, key);
      while (next < at) merged.push(this.#sorted[next++]!);
      if (this.#sorted[next]?.key === key) next += 1;
      const object = this.#byKey.get(key);
      if (object !== undefined) merged.push(object);
    }
    while (next < this.#sorted.length) merged.push(this.#sorted[next++]!);
    return merged;
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
