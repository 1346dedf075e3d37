import { CausewayError } from '../../lib/errors.ts';
import { patchMaxDepth } from './limits.ts';

/** Levels of nesting in a JSON value: 0 for a scalar, 1 for `{}`. Does not recurse; stops counting beyond the limit. */
export function depthOf(value: unknown): number {
  let level = 0;
  let current: unknown[] = [value];
  while (level <= patchMaxDepth) {
    const next: unknown[] = [];
    let found = false;
    for (const item of current) {
      if (typeof item !== 'object' || item === null) continue;
      found = true;
      for (const nested of Object.values(item)) {
        if (typeof nested === 'object' && nested !== null) next.push(nested);
      }
    }
    if (!found) return level;
    level += 1;
    current = next;
  }
  return level;
}

/** Throws `BadRequest` for a patch that nests too deep. */
export function checkDepth(value: unknown): void {
  if (depthOf(value) > patchMaxDepth) {
    throw new CausewayError('BadRequest', `error decoding patch: exceeded max depth of ${patchMaxDepth}`);
  }
}
