import {
  chownSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { runTool } from './run-tool.ts';

const BATCH = 40;
const LOW = 20;

/** Both ends: opening never waits, writers never get EPIPE, readers never an end. For a process that keeps the FIFO alive. */
export function openBoth(path: string): number {
  return openSync(path, constants.O_RDWR);
}

/** The end that a process writes to or reads from; some other holder must have it open already, or this waits. */
export function openForProcess(path: string, end: 'read' | 'write'): number {
  return openSync(path, end === 'read' ? constants.O_RDONLY : constants.O_WRONLY);
}

/** The reading end as a stream. Without a writer it ends at once. */
export function readFifo(path: string): Socket {
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}

/** The writing end as a stream. Throws ENXIO when nobody reads. */
export function writeFifo(path: string): Socket {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: false, writable: true });
}

/** Writes a short message; false when nobody reads. */
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

/** Node cannot make a FIFO, so mkfifo(1) makes some in advance. Each is used once. */
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

  /** Moves FIFOs to the given paths. `owner` may open them again by `/dev/stdout` and the like. */
  async place(paths: readonly string[], owner?: { readonly uid: number; readonly gid: number }): Promise<void> {
    for (const path of paths) {
      while (this.#ready.length === 0) await this.#fill();
      const fifo = this.#ready.pop();
      if (fifo === undefined) continue;
      if (owner !== undefined) chownSync(fifo, owner.uid, owner.gid);
      renameSync(fifo, path);
    }
    if (this.#ready.length < LOW) this.#fill().catch(() => undefined);
  }

  close(): void {
    this.#ready = [];
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** For tests. */
  get size(): number {
    return readdirSync(this.#directory).length;
  }
}
