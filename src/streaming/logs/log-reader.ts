import { CausewayError } from '../../lib/errors.ts';
import { CriLogFilter } from './cri-log-filter.ts';
import { FileChanges } from './file-changes.ts';
import { type LogFile, openLogFiles, openSuccessors, wasRotated } from './log-files.ts';
import { type LogOptions, MAX_LINE_BYTES, READ_BYTES } from './log-options.ts';
import { tailPosition } from './tail-position.ts';

const NEWLINE = 0x0a;

export interface LogSource {
  /** Of the current log; files that were rotated away lie beside it. */
  readonly path: string;
  /** Resolves when nothing more will be written: the container ended. Needed for `follow`. */
  readonly ended: Promise<void>;
}

/**
 * The text of a container's log in large pieces, each the caller's own. Ends at the log's end; with `follow` when the container ended and all was read; and, without an
 * error, when `signal` aborts. No line is lost or repeated when the log is rotated meanwhile.
 */
export async function* readLog(source: LogSource, options: LogOptions, signal: AbortSignal): AsyncGenerator<Buffer> {
  const filter = new CriLogFilter(options);
  // Watching begins before the first look, so that nothing falls between.
  const changes = options.follow ? new FileChanges(source.path) : undefined;
  const reader = new LogFileReader(source.path);
  let writerEnded = false;
  void source.ended.then(() => {
    writerEnded = true;
    changes?.notify();
  });
  const wake = (): void => changes?.notify();
  signal.addEventListener('abort', wake, { once: true });
  try {
    await reader.start(options.tailLines);
    for (;;) {
      const last = writerEnded || changes === undefined;
      for await (const lines of reader.readToEnd(last)) {
        const text = filter.filter(lines);
        if (text.length > 0) yield text;
        if (filter.done || signal.aborted) return;
      }
      if (last || signal.aborted) return;
      await changes.wait();
    }
  } finally {
    signal.removeEventListener('abort', wake);
    changes?.close();
    await reader.close();
  }
}

/** Reads whole lines across the files of a log that may be rotated meanwhile. */
class LogFileReader {
  readonly #path: string;
  /** The file that is read, and those that follow it. */
  #files: LogFile[] = [];
  #offset = 0;
  /** The beginning of a line whose end was not there yet. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  async start(tailLines: number | undefined): Promise<void> {
    this.#files = await openLogFiles(this.#path);
    if (tailLines === undefined || this.#files.length === 0) return;
    const position = await tailPosition(this.#files, tailLines);
    for (const file of this.#files.splice(0, position.file)) await file.handle.close();
    this.#offset = position.offset;
  }

  /** What is there now. `last`: no more will be written, so a line without its end counts. */
  async *readToEnd(last: boolean): AsyncGenerator<Buffer> {
    if (this.#files.length === 0) this.#files = await openLogFiles(this.#path);
    for (;;) {
      const file = this.#files[0];
      if (file === undefined) return;
      // Asked before reading: what is written to a file until it is replaced is found by the reading that follows.
      const finished = this.#files.length > 1 || (await wasRotated(this.#path, file));
      yield* this.#readFile(file);
      if (!finished) break;
      if (this.#files.length === 1) this.#files.push(...(await openSuccessors(this.#path, file)));
      if (this.#files.length === 1) break;
      if (this.#rest.length > 0) yield this.#takeRest();
      this.#files.shift();
      await file.handle.close();
      this.#offset = 0;
    }
    if (last && this.#rest.length > 0) yield this.#takeRest();
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.handle.close();
    this.#files = [];
  }

  async *#readFile(file: LogFile): AsyncGenerator<Buffer> {
    for (;;) {
      const buffer = Buffer.allocUnsafeSlow(this.#rest.length + READ_BYTES);
      this.#rest.copy(buffer);
      const { bytesRead } = await file.handle.read(buffer, this.#rest.length, READ_BYTES, this.#offset);
      if (bytesRead === 0) {
        const { size } = await file.handle.stat();
        if (size >= this.#offset) return;
        // The file was emptied in place (logrotate's copytruncate): begin again.
        this.#offset = 0;
        this.#rest = Buffer.alloc(0);
        continue;
      }
      this.#offset += bytesRead;
      const filled = buffer.subarray(0, this.#rest.length + bytesRead);
      const end = filled.lastIndexOf(NEWLINE) + 1;
      this.#rest = Buffer.from(filled.subarray(end));
      if (this.#rest.length > MAX_LINE_BYTES) {
        throw new CausewayError('InternalError', `the log has a line of more than ${MAX_LINE_BYTES} bytes`);
      }
      if (end > 0) yield filled.subarray(0, end);
    }
  }

  #takeRest(): Buffer {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest;
  }
}
