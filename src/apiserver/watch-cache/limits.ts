/** Limits of the watch cache: number, unit, and what each stops. */

/** Changes, and bytes of objects in them, that a cache keeps for watchers that resume. What is older comes from the store. Bounds idle memory. */
export const MAX_RECENT_CHANGES = 1_024;
export const MAX_RECENT_BYTES = 2 * 1024 * 1024;

/** Events, and bytes of objects in them, that wait for one watcher. Stops a client that does not read from filling memory. */
export const MAX_WATCHER_EVENTS = 4_096;
export const MAX_WATCHER_BYTES = 16 * 1024 * 1024;

/** Events of the initial state that are handed out at once, so that a large one does not stop everything else. */
export const INITIAL_BATCH = 256;

/** Milliseconds that a read waits for a revision that the cache does not have yet, as Kubernetes does. */
export const FRESH_MS = 3_000;

/** States that are kept for clients that page through a list, of each resource, and milliseconds they are kept. Then the store answers. */
export const MAX_SNAPSHOTS = 16;
export const SNAPSHOT_MS = 5 * 60_000;

/** Milliseconds between two bookmarks of a watcher, and how often is looked whose turn it is. */
export const BOOKMARK_MS = 60_000;
export const BOOKMARK_CHECK_MS = 1_000;

/** Milliseconds before the end of a watch at which its client gets a last bookmark, as Kubernetes does. */
export const BOOKMARK_BEFORE_END_MS = 2_000;

/** Bytes of a `continue` token. A token that we made is far smaller. */
export const MAX_CONTINUE_BYTES = 4_096;
