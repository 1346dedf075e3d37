import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Log } from '../../lib/log.ts';

export interface AuditLogOptions {
  readonly path: string;
  /** Bytes at which the file is put aside. Default 64 MiB. */
  readonly maxFileBytes?: number;
  /** Files put aside that are kept: `audit.log.1` is the newest. Default 4. */
  readonly keep?: number;
  /** Bytes that may wait for a disk that does not keep up; lines beyond it are counted and reported. Default 16 MiB. */
  readonly maxBacklogBytes?: number;
  readonly log: Log;
}

/** Where audit lines go. */
export interface AuditSink {
  write(line: string): void;
  /** Lines that were lost because the disk did not keep up. */
  readonly lost: number;
  /** Waits until every line is written. */
  close(): Promise<void>;
}

const FLUSH_MS = 50;

/** Bytes of a piece of the backlog. Lines become bytes at once: strings that wait would be moved about by the garbage collector. */
const PIECE_BYTES = 128 * 1024;
/** Bytes of UTF-8 that one unit of a string can become. */
const UTF8_MAX = 3;

/** A file of JSON lines, readable by its owner only, written in batches and rotated by size. */
export class AuditLog implements AuditSink {
  readonly #path: string;
  readonly #maxFileBytes: number;
  readonly #keep: number;
  readonly #maxBacklog: number;
  readonly #log: Log;
  #file: FileHandle;
  #fileBytes: number;
  /** Pieces that are full. */
  #full: Buffer[] = [];
  #fullBytes = 0;
  #piece: Buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #used = 0;
  /** A piece that was written, to be used again. */
  #spare: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #lost = 0;
  #closed = false;

  private constructor(options: AuditLogOptions, file: FileHandle, size: number) {
    this.#path = options.path;
    this.#maxFileBytes = options.maxFileBytes ?? 64 * 1024 * 1024;
    this.#keep = options.keep ?? 4;
    this.#maxBacklog = options.maxBacklogBytes ?? 16 * 1024 * 1024;
    this.#log = options.log;
    this.#file = file;
    this.#fileBytes = size;
  }

  static async open(options: AuditLogOptions): Promise<AuditLog> {
    await mkdir(dirname(options.path), { recursive: true, mode: 0o700 });
    const file = await openPrivate(options.path);
    return new AuditLog(options, file, (await file.stat()).size);
  }

  get lost(): number {
    return this.#lost;
  }

  write(line: string): void {
    if (this.#closed || this.#fullBytes + this.#used + line.length > this.#maxBacklog) {
      this.#lost++;
      return;
    }
    const most = line.length * UTF8_MAX;
    if (this.#used + most > this.#piece.length) this.#nextPiece(most);
    this.#used += this.#piece.write(line, this.#used);
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #nextPiece(atLeast: number): void {
    if (this.#used > 0) {
      this.#full.push(this.#piece.subarray(0, this.#used));
      this.#fullBytes += this.#used;
    }
    const spare = atLeast <= PIECE_BYTES ? this.#spare : undefined;
    if (spare !== undefined) this.#spare = undefined;
    this.#piece = spare ?? Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, atLeast));
    this.#used = 0;
  }

  #flush(): void {
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#writePending());
  }

  async #writePending(): Promise<void> {
    if (this.#used > 0) this.#nextPiece(0);
    const pieces = this.#full;
    const bytes = this.#fullBytes;
    if (bytes === 0) return;
    this.#full = [];
    this.#fullBytes = 0;
    try {
      if (this.#fileBytes > 0 && this.#fileBytes + bytes > this.#maxFileBytes) await this.#rotate();
      for (const piece of pieces) await this.#file.appendFile(piece);
      this.#fileBytes += bytes;
      const [first] = pieces;
      if (first?.buffer.byteLength === PIECE_BYTES) this.#spare = Buffer.from(first.buffer);
    } catch (error) {
      this.#lost++;
      this.#log.error('the audit log cannot be written', { error: String(error) });
    }
  }

  async #rotate(): Promise<void> {
    await this.#file.close();
    await rm(`${this.#path}.${this.#keep}`, { force: true });
    for (let i = this.#keep - 1; i >= 1; i--) {
      await rename(`${this.#path}.${i}`, `${this.#path}.${i + 1}`).catch(() => undefined);
    }
    if (this.#keep > 0) await rename(this.#path, `${this.#path}.1`);
    else await rm(this.#path, { force: true });
    this.#file = await openPrivate(this.#path);
    this.#fileBytes = 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#flush();
    await this.#writing;
    await this.#file.close();
  }
}

async function openPrivate(path: string): Promise<FileHandle> {
  const file = await open(path, 'a', 0o600);
  // The mode of `open` holds for new files only.
  await file.chmod(0o600);
  return file;
}
