import { closeSync, constants, mkdirSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from './run-tool.ts';

const BATCH = 40;
const LOW = 20;
/** `PIPE_BUF` of Linux: what is written at once at most. */
const FIFO_BYTES = 4096;

/** Both ends: opening never waits, writers never get EPIPE, readers never an end. For a process that keeps the FIFO alive. */
export function openBoth(path: string): number {
  return openSync(path, constants.O_RDWR);
}

/** Writes a short message to a FIFO or a pipe; false when nobody reads. */
export function tell(path: string, message: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    writeSync(fd, message);
    return true;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

/** What a FIFO holds now, without waiting for more. */
export function readNow(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const chunks: Buffer[] = [];
  try {
    for (;;) {
      const chunk = Buffer.alloc(FIFO_BYTES);
      const length = readSync(fd, chunk);
      if (length === 0) break;
      chunks.push(chunk.subarray(0, length));
    }
  } catch (error) {
    // Somebody has it open to write, and it is empty.
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  } finally {
    closeSync(fd);
  }
  return Buffer.concat(chunks);
}

/** For what scripts open by name. Node cannot make a FIFO, so mkfifo(1) makes some in advance. Each is used once. */
export class FifoPool {
  readonly #directory: string;
  readonly #mkfifo: string;
  #ready: string[] = [];
  #made = 0;
  #filling: Promise<void> | undefined;

  constructor(directory: string, mkfifo: string) {
    this.#directory = directory;
    this.#mkfifo = mkfifo;
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#fill().catch(() => undefined);
  }

  #fill(): Promise<void> {
    this.#filling ??= (async () => {
      const names = Array.from({ length: BATCH }, () => join(this.#directory, String(this.#made++)));
      try {
        await runTool(this.#mkfifo, ['-m', '600', ...names]);
        this.#ready.push(...names);
      } finally {
        this.#filling = undefined;
      }
    })();
    return this.#filling;
  }

  /** Moves FIFOs to the given paths. */
  async place(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      while (this.#ready.length === 0) await this.#fill();
      const fifo = this.#ready.pop();
      if (fifo === undefined) continue;
      renameSync(fifo, path);
    }
    if (this.#ready.length < LOW) this.#fill().catch(() => undefined);
  }

  /** Waits for mkfifo(1): what it makes while its directory is removed would stay. */
  async close(): Promise<void> {
    await this.#filling?.catch(() => undefined);
    this.#ready = [];
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
