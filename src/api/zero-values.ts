/**
 * Kubernetes' types cannot tell "unset" from zero in fields that are no pointers, and leave both out of JSON. Dropping such zeroes when an
 * object is defaulted keeps an update that a typed client sends (`hostNetwork: false` left out again) from being a change.
 */
export function dropZeroes(object: object | undefined, fields: readonly string[]): void {
  if (object === undefined) return;
  const record = object as Record<string, unknown>;
  for (const field of fields) {
    const value = record[field];
    if (value === undefined || !Object.hasOwn(record, field)) continue;
    const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    if (value === false || value === '' || value === 0 || empty) delete record[field];
  }
}
