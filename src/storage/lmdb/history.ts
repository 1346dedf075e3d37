import { CausewayError } from '../../lib/errors.ts';
import { keyBytes, prefixEnd } from '../keys.ts';
import { CompactedError, type Entry, type ListOptions, type ListResult, type WatchEvent } from '../store.ts';
import type { JournaledTables } from './journaled-tables.ts';
import type { IndexRecord, LogRecord, Place } from './records.ts';
import type { Snapshot } from './tables.ts';

/** Keys that are looked at, and changes that are read, before other work gets its turn. */
const TURN = 512;

/** The state under `prefix`, now or at an earlier revision. */
export async function listPrefix(tables: JournaledTables, prefix: string, options: ListOptions): Promise<ListResult> {
  const snapshot = tables.snapshot();
  try {
    const revision = checkRevision(snapshot, options.revision);
    const limit = options.limit === undefined || options.limit <= 0 ? Number.POSITIVE_INFINITY : options.limit;
    const start = startOf(prefix, options.after);
    const entries: Entry[] = [];
    let seen = 0;
    for (const { key, record } of snapshot.indexRange(start, prefixEnd(prefix))) {
      const found = recordAt(snapshot, record, revision);
      if (found !== undefined) {
        if (entries.length >= limit) return { entries, revision, more: true };
        entries.push({ key: key.toString(), value: found.log.value, modRevision: found.place.revision });
      }
      seen += 1;
      if (seen % TURN === 0) await turn();
    }
    return { entries, revision, more: false };
  } finally {
    snapshot.done();
  }
}

function checkRevision(snapshot: Snapshot, asked: number | undefined): number {
  const newest = snapshot.state('revision');
  const revision = asked ?? newest;
  const compacted = snapshot.state('compacted');
  if (revision < compacted) throw new CompactedError(revision, compacted);
  if (revision > newest) throw new CausewayError('BadRequest', `revision ${revision} is not reached yet`);
  return revision;
}

function startOf(prefix: string, after: string | undefined): Buffer {
  const first = Buffer.from(prefix);
  if (after === undefined) return first;
  const next = Buffer.concat([keyBytes(after), Buffer.from([0])]);
  return Buffer.compare(next, first) > 0 ? next : first;
}

/** Goes back from a key's last change to the one that held at `revision`. */
function recordAt(
  snapshot: Snapshot,
  last: IndexRecord,
  revision: number,
): { readonly place: Place; readonly log: LogRecord } | undefined {
  let place: Place = last;
  while (place.revision > revision) {
    const later = snapshot.log(place);
    if (later === undefined || later.previous.revision === 0) return undefined;
    place = later.previous;
  }
  // A deletion's record may be swept away already.
  const log = snapshot.log(place);
  return log === undefined || log.kind === 'delete' ? undefined : { place, log };
}

/** The changes with `after` < revision <= `through`, in batches that never split a revision. */
export async function* readChanges(
  tables: JournaledTables,
  prefix: string,
  after: number,
  through: number,
): AsyncGenerator<readonly WatchEvent[]> {
  let position = after;
  while (position < through) {
    const { events, reached } = readTurn(tables, prefix, position, through);
    position = reached;
    if (events.length > 0) yield events;
    await turn();
  }
}

function readTurn(
  tables: JournaledTables,
  prefix: string,
  after: number,
  through: number,
): { readonly events: readonly WatchEvent[]; readonly reached: number } {
  const snapshot = tables.snapshot();
  try {
    const compacted = snapshot.state('compacted');
    if (after < compacted) throw new CompactedError(after, compacted);
    const events: WatchEvent[] = [];
    let reached = after;
    let seen = 0;
    const range = snapshot.logRange(after, through);
    for (const { place, record } of range) {
      if (seen >= TURN && place.revision !== reached) return { events, reached };
      if (record.key.startsWith(prefix)) events.push(eventOf(snapshot, place, record));
      reached = place.revision;
      seen += 1;
    }
    return { events, reached: through };
  } finally {
    snapshot.done();
  }
}

function eventOf(snapshot: Snapshot, place: Place, record: LogRecord): WatchEvent {
  const before = record.previous.revision === 0 ? undefined : snapshot.log(record.previous);
  const previous = before?.kind === 'put' ? before.value : undefined;
  return { type: record.kind, key: record.key, value: record.value, previous, revision: place.revision };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
