/** Operations in one JSON patch, as Kubernetes: stops a small body from holding the event loop. */
export const jsonPatchMaxOperations = 10_000;
/** Bytes that the `copy` operations of one JSON patch may add, as Kubernetes: stops a copy bomb (each copy doubles the object). */
export const jsonPatchMaxCopyBytes = 3 * 1024 * 1024;
/** Array elements that one JSON patch may move by inserting and removing: stops 10,000 inserts at the front of a huge array. */
export const jsonPatchMaxMovedElements = 50_000_000;
/** Levels of objects and arrays in a patch and in its result: stops recursion from exhausting the stack. */
export const patchMaxDepth = 1_000;
