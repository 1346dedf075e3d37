import { CausewayError } from '../../lib/errors.ts';
import { checkKey } from '../keys.ts';
import { MAX_TXN_OPS, MAX_VALUE_BYTES } from '../limits.ts';
import type { Entry, TxnOp, TxnResult, WatchEvent } from '../store.ts';
import { type Change, encodeLog, type IndexRecord, NOWHERE } from './records.ts';
import type { Snapshot } from './tables.ts';

interface Held {
  readonly record: IndexRecord;
  readonly value: Uint8Array;
}

/**
 * Plans a commit: takes transactions in the order in which they were submitted, each on the state that those before it leave, and collects what
 * is to be written. Nothing is true before the commit is durable, so that a commit that fails takes back all of it.
 */
export class Plan {
  readonly changes: Change[] = [];
  readonly events: WatchEvent[] = [];
  bytes = 0;
  #revision: number;
  readonly #snapshot: Snapshot;
  readonly #changed = new Map<string, Held>();

  constructor(snapshot: Snapshot, revision: number) {
    this.#snapshot = snapshot;
    this.#revision = revision;
  }

  /** The revision of the last transaction planned. */
  get revision(): number {
    return this.#revision;
  }

  add(ops: readonly TxnOp[]): TxnResult {
    const held: (Held | undefined)[] = [];
    const keys: Buffer[] = [];
    for (const op of ops) {
      const key = Buffer.from(op.key);
      keys.push(key);
      const state = this.#held(op.key, key);
      held.push(state);
      if (op.expected === undefined) continue;
      const current = entryOf(op.key, state);
      if ((current?.modRevision ?? 0) !== op.expected) return { ok: false, failedKey: op.key, current };
    }
    const revision = this.#revision + 1;
    const changes: Planned[] = [];
    for (let i = 0; i < ops.length; i++) {
      const change = changeOf(ops[i]!, keys[i]!, held[i], revision);
      if (change !== undefined) changes.push(change);
    }
    if (changes.length === 0) return { ok: true, revision: this.#revision, entries: [] };
    this.#revision = revision;
    const entries = changes.map((change, sub) => this.#write(change, { revision, sub, kind: change.op.type }));
    return { ok: true, revision, entries };
  }

  #held(key: string, bytes: Buffer): Held | undefined {
    const changed = this.#changed.get(key);
    if (changed !== undefined) return changed;
    const record = this.#snapshot.index(key, bytes);
    if (record === undefined) return undefined;
    // The value of a key that was deleted may be swept away already, and nobody asks for it.
    if (record.kind === 'delete') return { record, value: NO_BYTES };
    const logged = this.#snapshot.log(record);
    if (logged === undefined) throw new CausewayError('InternalError', `storage: the value of ${key} is missing`);
    return { record, value: logged.value };
  }

  #write(change: Planned, record: IndexRecord): Entry {
    const { op, key, held } = change;
    const previous = held === undefined ? NOWHERE : held.record;
    const logged = encodeLog(op.type, previous, key, change.value);
    // Readers keep these bytes for long. What `encode` gave may be a small part of a buffer pool, and would keep all of it.
    const value = logged.subarray(logged.length - change.value.length);
    this.changes.push({ place: record, kind: op.type, previous, key: op.key, keyBytes: key, value, logged });
    this.bytes += logged.length;
    this.#changed.set(op.key, { record, value });
    const before = held?.record.kind === 'put' ? held.value : undefined;
    this.events.push({ type: op.type, key: op.key, value, previous: before, revision: record.revision });
    return { key: op.key, value, modRevision: record.revision };
  }
}

const NO_BYTES = Buffer.alloc(0);

interface Planned {
  readonly op: TxnOp;
  readonly key: Buffer;
  readonly held: Held | undefined;
  readonly value: Uint8Array;
}

function changeOf(op: TxnOp, key: Buffer, held: Held | undefined, revision: number): Planned | undefined {
  if (op.type === 'put') return { op, key, held, value: checkValue(op.encode(revision)) };
  if (held?.record.kind !== 'put') return undefined;
  return { op, key, held, value: op.encode === undefined ? held.value : checkValue(op.encode(revision)) };
}

function entryOf(key: string, held: Held | undefined): Entry | undefined {
  if (held?.record.kind !== 'put') return undefined;
  return { key, value: held.value, modRevision: held.record.revision };
}

function checkValue(value: Uint8Array): Uint8Array {
  if (value.length > MAX_VALUE_BYTES) {
    throw new CausewayError('RequestEntityTooLarge', `the object is larger than ${MAX_VALUE_BYTES} bytes`);
  }
  return value;
}

/** Refuses what could not be planned, before it waits for its turn. */
export function checkOps(ops: readonly TxnOp[]): void {
  if (ops.length === 0 || ops.length > MAX_TXN_OPS) {
    throw new CausewayError('BadRequest', `a transaction has 1 to ${MAX_TXN_OPS} operations, not ${ops.length}`);
  }
  for (const op of ops) checkKey(op.key);
  if (ops.length > 1 && new Set(ops.map((op) => op.key)).size < ops.length) {
    throw new CausewayError('BadRequest', 'a transaction names a key twice');
  }
}
