/** Something whose bytes are part of a list. */
interface Item {
  readonly bytes: Buffer;
}

interface Joined {
  readonly items: readonly Item[];
  readonly bytes: Buffer;
  timer: NodeJS.Timeout;
}

/** Bytes from which a joined list is kept: below, joining costs less than looking. */
const MIN_KEPT_BYTES = 64 * 1024;
/** Ms that a joined list is kept after its last use: clients that start together list the same things. */
const KEEP_MS = 2_000;

const kept = new WeakMap<object, Joined>();
const comma = Buffer.from(',');

/**
 * The bytes of the items with commas between them. The last list of each `owner` is kept for a moment, and used again while it still has
 * the very same items.
 */
export function joinedItems(owner: object, items: readonly Item[]): Buffer {
  const last = kept.get(owner);
  if (last !== undefined && sameItems(last.items, items)) {
    last.timer.refresh();
    return last.bytes;
  }
  const pieces: Buffer[] = [];
  for (const item of items) {
    if (pieces.length > 0) pieces.push(comma);
    pieces.push(item.bytes);
  }
  const bytes = Buffer.concat(pieces);
  if (bytes.length >= MIN_KEPT_BYTES) keep(owner, items, bytes);
  return bytes;
}

function sameItems(a: readonly Item[], b: readonly Item[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function keep(owner: object, items: readonly Item[], bytes: Buffer): void {
  const before = kept.get(owner);
  if (before !== undefined) clearTimeout(before.timer);
  const timer = setTimeout(() => kept.delete(owner), KEEP_MS);
  timer.unref();
  kept.set(owner, { items, bytes, timer });
}
