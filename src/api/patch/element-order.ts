import { getOwn } from '../json-object.ts';

/** What identifies an element: the value of the merge key, or the scalar itself. */
export function elementId(element: unknown, mergeKey: string | undefined): unknown {
  if (mergeKey === undefined) return element;
  return typeof element === 'object' && element !== null ? getOwn(element, mergeKey) : undefined;
}

/** Identity → position of its first appearance. */
export function positions(list: readonly unknown[], mergeKey: string | undefined): Map<unknown, number> {
  const map = new Map<unknown, number>();
  for (const [i, element] of list.entries()) {
    const id = elementId(element, mergeKey);
    if (!map.has(id)) map.set(id, i);
  }
  return map;
}

/**
 * Orders a merged list: elements that the patch names stand in the patch's order, the others in the stored order, and the two
 * are interleaved by where their elements stood before, the others first only when they stood in front.
 */
export function orderElements(
  merged: readonly unknown[],
  patchOrder: readonly unknown[],
  storedOrder: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const inPatch = positions(patchOrder, mergeKey);
  const inStored = positions(storedOrder, mergeKey);
  const id = (element: unknown): unknown => elementId(element, mergeKey);
  const sorted = (list: unknown[], by: Map<unknown, number>): unknown[] =>
    list.sort((a, b) => (by.get(id(a)) ?? list.length) - (by.get(id(b)) ?? list.length));
  const named = sorted(
    merged.filter((element) => inPatch.has(id(element))),
    inPatch,
  );
  const others = sorted(
    merged.filter((element) => !inPatch.has(id(element))),
    inStored,
  );

  const result: unknown[] = [];
  let i = 0;
  for (const element of named) {
    const stored = inStored.get(id(element));
    while (i < others.length) {
      const other = inStored.get(id(others[i]));
      if (stored === undefined || other === undefined || other >= stored) break;
      result.push(others[i]);
      i += 1;
    }
    result.push(element);
  }
  return [...result, ...others.slice(i)];
}
