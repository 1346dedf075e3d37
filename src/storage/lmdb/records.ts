import { crc32 } from 'node:zlib';
import { CausewayError } from '../../lib/errors.ts';

/**
 * Two tables make the store. `log` has one record for each change, under the place of the change; `index` tells for each key the place of its
 * last change. A value is written once, at the end of the log.
 *
 *   log    [revision u64][sub u16] -> [crc u32][kind u8][previous revision u64][previous sub u16][key length u16][key][value]
 *   index  [key]                   -> [revision u64][sub u16][kind u8]
 *
 * All numbers are big-endian, so that the log is ordered by revision. `crc` covers what follows it. `previous` is the place of the change of
 * the same key before this one, 0 when there is none.
 */
export interface Place {
  readonly revision: number;
  /** Counts the changes of one revision. */
  readonly sub: number;
}

export type ChangeKind = 'put' | 'delete';

export interface LogRecord {
  readonly kind: ChangeKind;
  readonly previous: Place;
  readonly key: string;
  readonly value: Buffer;
}

export interface IndexRecord extends Place {
  readonly kind: ChangeKind;
}

/** One change of a commit, with the bytes that the log keeps of it. */
export interface Change extends LogRecord {
  readonly place: IndexRecord;
  readonly keyBytes: Buffer;
  readonly logged: Buffer;
}

export const NOWHERE: Place = { revision: 0, sub: 0 };

const PUT = 1;
const DELETE = 2;
const LOG_HEADER = 17;
const CRC_END = 4;

export function encodePlace(place: Place): Buffer {
  const bytes = Buffer.allocUnsafe(10);
  writePlace(bytes, place, 0);
  return bytes;
}

export function decodePlace(bytes: Buffer): Place {
  return readPlace(bytes, 0);
}

export function encodeRevision(revision: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeRevision(bytes, revision, 0);
  return bytes;
}

export function decodeRevision(bytes: Buffer): number {
  return readRevision(bytes, 0);
}

/** The value is at its end. It has its memory to itself. */
export function encodeLog(kind: ChangeKind, previous: Place, key: Buffer, value: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafeSlow(LOG_HEADER + key.length + value.length);
  bytes[CRC_END] = kind === 'put' ? PUT : DELETE;
  writePlace(bytes, previous, 5);
  bytes.writeUInt16BE(key.length, 15);
  bytes.set(key, LOG_HEADER);
  bytes.set(value, LOG_HEADER + key.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(CRC_END)), 0);
  return bytes;
}

/** `value` is a view of `bytes`. Throws `InternalError` when the bytes are not what was written at that place. */
export function decodeLog(bytes: Buffer, place: Place): LogRecord {
  const keyEnd = bytes.length < LOG_HEADER ? Number.POSITIVE_INFINITY : LOG_HEADER + bytes.readUInt16BE(15);
  if (keyEnd > bytes.length || crc32(bytes.subarray(CRC_END)) !== bytes.readUInt32BE(0)) {
    throw new CausewayError('InternalError', `storage: the record of revision ${place.revision} is corrupted`);
  }
  return {
    kind: decodeKind(bytes[CRC_END]),
    previous: readPlace(bytes, 5),
    key: bytes.toString('utf8', LOG_HEADER, keyEnd),
    value: bytes.subarray(keyEnd),
  };
}

/** What `logged` says of the change at `place`. */
export function decodeChange(logged: Buffer, place: Place): Change {
  const record = decodeLog(logged, place);
  return { ...record, place: { ...place, kind: record.kind }, keyBytes: Buffer.from(record.key), logged };
}

export function encodeIndex(place: Place, kind: ChangeKind): Buffer {
  const bytes = Buffer.allocUnsafe(11);
  writePlace(bytes, place, 0);
  bytes[10] = kind === 'put' ? PUT : DELETE;
  return bytes;
}

export function decodeIndex(bytes: Buffer): IndexRecord {
  return { revision: readRevision(bytes, 0), sub: bytes.readUInt16BE(8), kind: decodeKind(bytes[10]) };
}

function decodeKind(byte: number | undefined): ChangeKind {
  if (byte === PUT) return 'put';
  if (byte === DELETE) return 'delete';
  throw new CausewayError('InternalError', 'storage: a record has an unknown kind');
}

export function writePlace(bytes: Buffer, place: Place, offset: number): void {
  writeRevision(bytes, place.revision, offset);
  bytes.writeUInt16BE(place.sub, offset + 8);
}

export function writeRevision(bytes: Buffer, revision: number, offset: number): void {
  bytes.writeUInt32BE(Math.floor(revision / 2 ** 32), offset);
  bytes.writeUInt32BE(revision >>> 0, offset + 4);
}

export function readPlace(bytes: Buffer, offset: number): Place {
  return { revision: readRevision(bytes, offset), sub: bytes.readUInt16BE(offset + 8) };
}

export function readRevision(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4);
}
