import { close, constants, open, read, write } from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { CausewayError } from '../../lib/errors.ts';
import { type Change, decodeChange, readPlace, readRevision, writePlace, writeRevision } from './records.ts';

/**
 * The journal makes a commit durable with one write: `tables.ts` gets the same changes later, many at a time. Two files take turns. While one is
 * written, the tables get what is in the other; when they have it on the disk, the other may be written from its start again, over what was there.
 *
 * A frame is one commit, and begins on a page of its own, so that no write ever touches a page that holds an earlier frame:
 *
 *   [magic u64][crc u32][payload length u32][first revision u64][last revision u64][changes u32][payload]
 *   payload: for each change [revision u64][sub u16][length u32][log record]
 *
 * All numbers are big-endian; `crc` covers what follows it. No UTF-8 text has the bytes of the magic, so no value can pass for a frame.
 */
const MAGIC = Buffer.from([0xff, 0xfe, 0x63, 0x77, 0x6a, 0x6f, 0x75, 0xff]);
const CRC_AT = 8;
const CRC_FROM = 12;
const HEADER = 36;
const CHANGE_HEADER = 14;
const PAGE = 4096;
/** The files are made with this size, and grow by it. Where a file need not grow, a write needs no change of the file system's own records. */
const GROWTH = 1024 * 1024;

export const JOURNAL_FILES = ['journal-0', 'journal-1'] as const;

export interface JournalOptions {
  readonly directory: string;
  readonly journalFiles: readonly [string, string];
  /** The last revision that the tables have. */
  readonly revision: number;
  /** Off in the test which shows that a journal without syncs is found out. */
  readonly sync: boolean;
}

interface JournalFile {
  readonly descriptor: number;
  size: number;
}

const openFile = promisify(open);
const closeFile = promisify(close);

export class Journal {
  readonly #files: readonly [JournalFile, JournalFile];
  #active: 0 | 1 = 0;
  #position = 0;
  #frame = Buffer.alloc(16 * PAGE);

  private constructor(files: readonly [JournalFile, JournalFile]) {
    this.#files = files;
  }

  /**
   * Opens the files, which may be empty, and answers the changes after `revision` that they hold, in order. Throws `Conflict` when some are missing
   * between them. Those that are answered must be in the tables before the first `append`.
   */
  static async open(
    options: JournalOptions,
  ): Promise<{ readonly journal: Journal; readonly changes: readonly Change[] }> {
    const flags = constants.O_RDWR | (options.sync ? constants.O_DSYNC : 0);
    const files: JournalFile[] = [];
    try {
      const held: Buffer[] = [];
      for (const path of options.journalFiles) {
        const descriptor = await openFile(path, flags);
        const file = { descriptor, size: 0 };
        files.push(file);
        const bytes = await readAll(descriptor);
        file.size = bytes.length;
        held.push(bytes);
      }
      const { changes, lost } = changesAfter(options.revision, held);
      if (lost !== undefined) {
        throw new CausewayError(
          'Conflict',
          `data directory ${options.directory} is damaged: its journal lacks revision ${lost}`,
        );
      }
      for (const file of files) {
        if (file.size === 0) await grow(file);
      }
      return { journal: new Journal(files as [JournalFile, JournalFile]), changes };
    } catch (error) {
      for (const { descriptor } of files) await closeFile(descriptor);
      throw error;
    }
  }

  /** Bytes by which the files grow, at most, with that many changes of that many bytes together. */
  growth(bytes: number, changes: number): number {
    const end = this.#position + HEADER + changes * CHANGE_HEADER + bytes + PAGE;
    const { size } = this.#files[this.#active];
    return end > size ? end - size + GROWTH : 0;
  }

  /** One commit. Resolves when it is on the disk. One at a time; after an error nothing may be appended any more. */
  async append(changes: readonly Change[]): Promise<void> {
    const file = this.#files[this.#active];
    const used = this.#encode(changes);
    const end = this.#position + used;
    if (end > file.size) await grow(file, end);
    await writeAll(file.descriptor, this.#frame, used, this.#position);
    this.#position = end;
    // Commits of that size are rare.
    if (this.#frame.length > GROWTH) this.#frame = Buffer.alloc(16 * PAGE);
  }

  /** The next commit goes to the start of the other file. The tables must have what that one holds. Not while an `append` runs. */
  turn(): void {
    this.#active = this.#active === 0 ? 1 : 0;
    this.#position = 0;
  }

  async close(): Promise<void> {
    for (const { descriptor } of this.#files) await closeFile(descriptor);
  }

  /** Leaves the frame in `#frame`, and answers its length in whole pages. */
  #encode(changes: readonly Change[]): number {
    let length = HEADER;
    for (const change of changes) length += CHANGE_HEADER + change.logged.length;
    const whole = Math.ceil(length / PAGE) * PAGE;
    if (this.#frame.length < whole) this.#frame = Buffer.alloc(whole);
    const frame = this.#frame;
    MAGIC.copy(frame);
    frame.writeUInt32BE(length - HEADER, 12);
    writeRevision(frame, changes[0]!.place.revision, 16);
    writeRevision(frame, changes.at(-1)!.place.revision, 24);
    frame.writeUInt32BE(changes.length, 32);
    let at = HEADER;
    for (const { place, logged } of changes) {
      writePlace(frame, place, at);
      frame.writeUInt32BE(logged.length, at + 10);
      frame.set(logged, at + CHANGE_HEADER);
      at += CHANGE_HEADER + logged.length;
    }
    frame.fill(0, at, whole);
    frame.writeUInt32BE(crc32(frame.subarray(CRC_FROM, length)), CRC_AT);
    return whole;
  }
}

interface Frame {
  readonly first: number;
  readonly last: number;
  readonly at: number;
  readonly end: number;
}

/**
 * The frames of a file follow each other; what does not is a commit that was never finished, or older than what follows. Something newer beyond it
 * says that commits are `lost`.
 */
function changesAfter(
  revision: number,
  files: readonly Buffer[],
): { readonly changes: readonly Change[]; readonly lost?: number } {
  const runs = files.map((bytes) => ({ bytes, frames: framesOf(bytes) }));
  runs.sort((a, b) => (a.frames[0]?.first ?? 0) - (b.frames[0]?.first ?? 0));
  const changes: Change[] = [];
  let reached = revision;
  for (const { bytes, frames } of runs) {
    for (const frame of frames) {
      if (frame.last <= reached) continue;
      if (frame.first !== reached + 1) return { changes, lost: reached + 1 };
      changes.push(...decodeFrame(bytes, frame));
      reached = frame.last;
    }
  }
  for (const bytes of files) {
    for (let at = 0; at < bytes.length; at += PAGE) {
      if (frameAt(bytes, at, reached) !== undefined) return { changes, lost: reached + 1 };
    }
  }
  return { changes };
}

/** From the start of a file, as long as each continues the one before. What a file held before it was used again, does not. */
function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let frame = frameAt(bytes, 0);
  while (frame !== undefined && (frames.length === 0 || frame.first === frames.at(-1)!.last + 1)) {
    frames.push(frame);
    frame = frameAt(bytes, frame.end);
  }
  return frames;
}

function frameAt(bytes: Buffer, at: number, newerThan = 0): Frame | undefined {
  if (at + HEADER > bytes.length || MAGIC.compare(bytes, at, at + MAGIC.length) !== 0) return undefined;
  const last = readRevision(bytes, at + 24);
  if (last <= newerThan) return undefined;
  const length = HEADER + bytes.readUInt32BE(at + 12);
  if (at + length > bytes.length) return undefined;
  if (crc32(bytes.subarray(at + CRC_FROM, at + length)) !== bytes.readUInt32BE(at + CRC_AT)) return undefined;
  return {
    first: readRevision(bytes, at + 16),
    last,
    at,
    end: at + Math.ceil(length / PAGE) * PAGE,
  };
}

function decodeFrame(bytes: Buffer, frame: Frame): Change[] {
  const changes: Change[] = [];
  let at = frame.at + HEADER;
  for (let left = bytes.readUInt32BE(frame.at + 32); left > 0; left--) {
    const place = readPlace(bytes, at);
    const end = at + CHANGE_HEADER + bytes.readUInt32BE(at + 10);
    changes.push(decodeChange(bytes.subarray(at + CHANGE_HEADER, end), place));
    at = end;
  }
  return changes;
}

/** Appends zeros: to a new file, or so that it reaches `end`. */
async function grow(file: JournalFile, end = 1): Promise<void> {
  const size = Math.ceil(end / GROWTH) * GROWTH;
  await writeAll(file.descriptor, Buffer.alloc(size - file.size), size - file.size, file.size);
  file.size = size;
}

async function readAll(descriptor: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let position = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafeSlow(GROWTH);
    const count = await new Promise<number>((resolve, reject) => {
      read(descriptor, chunk, 0, GROWTH, position, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
    });
    if (count === 0) return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    position += count;
  }
}

async function writeAll(descriptor: number, bytes: Buffer, length: number, position: number): Promise<void> {
  for (let done = 0; done < length; ) {
    done += await new Promise<number>((resolve, reject) => {
      write(descriptor, bytes, done, length - done, position + done, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
  }
}
