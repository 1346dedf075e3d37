import type { StoredObject } from './cached-object.ts';
import { encodeContinue } from './continue-token.ts';
import { lowerBound } from './sorted-objects.ts';
import type { CachedList, CachedObject, Selection } from './watch-cache.ts';

export interface PageRequest extends Selection {
  /** 0: all. */
  readonly limit: number;
  /** The key after which the page starts. */
  readonly after: string | undefined;
}

/** The part of `sorted` in a namespace, as indexes. An empty namespace is everything. */
export function rangeOf(sorted: readonly StoredObject[], prefix: string, namespace: string): [number, number] {
  if (namespace === '') return [0, sorted.length];
  // '0' follows '/'.
  return [lowerBound(sorted, `${prefix}${namespace}/`), lowerBound(sorted, `${prefix}${namespace}0`)];
}

/** True when `object` is what the selection asks for, its namespace aside. */
export function isSelected(selection: Selection, object: CachedObject): boolean {
  const { name = '', matches } = selection;
  return (name === '' || object.name === name) && (matches === undefined || matches(object));
}

/** One page of a state that is sorted by key. */
export function pageOf(
  sorted: readonly StoredObject[],
  prefix: string,
  revision: number,
  request: PageRequest,
): CachedList {
  const [first, end] = rangeOf(sorted, prefix, request.namespace ?? '');
  const start = request.after === undefined ? first : Math.max(first, lowerBound(sorted, `${request.after}\0`));
  const resourceVersion = String(revision);
  const selective = (request.name ?? '') !== '' || request.matches !== undefined;
  if (!selective && (request.limit === 0 || end - start <= request.limit)) {
    return { items: sorted.slice(start, end), resourceVersion, continue: undefined, remainingItemCount: undefined };
  }
  const limit = request.limit === 0 ? Number.POSITIVE_INFINITY : request.limit;
  const items: StoredObject[] = [];
  for (let i = start; i < end; i++) {
    const object = sorted[i]!;
    if (selective && !isSelected(request, object)) continue;
    if (items.length === limit) {
      const after = items.at(-1)!.key.slice(prefix.length);
      return {
        items,
        resourceVersion,
        continue: encodeContinue({ revision, after }),
        // With selectors the rest is not counted, in Kubernetes neither.
        remainingItemCount: selective ? undefined : end - i,
      };
    }
    items.push(object);
  }
  return { items, resourceVersion, continue: undefined, remainingItemCount: undefined };
}
