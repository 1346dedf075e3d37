import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { ContainerLog, OutputStream } from './container-log.ts';

import { ATTACH_QUEUE_BYTES, ATTACH_STALL_MS } from './limits.ts';
import { readPipe } from './pipe-pool.ts';

/** Milliseconds without output after a container's end, before a pipe that some process still holds is let go. */
const QUIET_MS = 1_000;
const OUTPUTS = ['stdout', 'stderr'] as const;

/** One attached client's copy of one stream. */
class Tap extends Readable {
  readonly #wanted: () => void;
  stall: NodeJS.Timeout | undefined;

  constructor(wanted: () => void) {
    super({ highWaterMark: 64 * 1024 });
    this.#wanted = wanted;
  }

  override _read(): void {
    this.#wanted();
  }

  get full(): boolean {
    return this.readableLength > ATTACH_QUEUE_BYTES;
  }
}

/**
 * One of a container's output pipes: into the log first, then to whoever is attached. Read through a buffer of its own, the shortest way
 * that Node has from the pipe to the file: what was read and not written is lost if Causeway is killed in between.
 */
class OutputPipe {
  readonly #source: Socket;
  readonly #taps = new Set<Tap>();
  #last = false;
  readonly ended: Promise<void>;

  constructor(path: string, stream: OutputStream, log: ContainerLog) {
    this.#source = readPipe(path, (chunk) => {
      log.write(stream, chunk);
      if (this.#taps.size === 0) return;
      const copy = Buffer.from(chunk);
      for (const tap of this.#taps) tap.push(copy);
      this.#balance();
    });
    this.ended = new Promise((resolve) => {
      this.#source.once('close', () => {
        for (const tap of this.#taps) tap.push(null);
        this.#taps.clear();
        resolve();
      });
    });
    this.#source.on('error', () => undefined);
  }

  tap(): Readable {
    const tap = new Tap(() => this.#balance());
    if (this.#source.destroyed) {
      tap.push(null);
      return tap;
    }
    this.#taps.add(tap);
    tap.once('close', () => {
      clearTimeout(tap.stall);
      this.#taps.delete(tap);
      this.#balance();
    });
    return tap;
  }

  /** A client that lags makes the container wait, but not for ever. */
  #balance(): void {
    let full = false;
    for (const tap of this.#taps) {
      if (!tap.full) {
        clearTimeout(tap.stall);
        tap.stall = undefined;
        continue;
      }
      full = true;
      tap.stall ??= setTimeout(() => tap.destroy(new Error('the client reads too slowly')), ATTACH_STALL_MS).unref();
    }
    if (full && !this.#last) this.#source.pause();
    else if (this.#source.isPaused()) this.#source.resume();
  }

  /**
   * The container has ended: what the pipe holds still, which is no more than a pipe does, is read whatever the clients do. Resolves when
   * all is read, or nothing more comes: a process that the container left behind may have the pipe open.
   */
  async drain(): Promise<void> {
    this.#last = true;
    this.#balance();
    let seen = -1;
    const quiet = Promise.withResolvers<void>();
    const timer = setInterval(() => {
      if (this.#source.bytesRead === seen) quiet.resolve();
      seen = this.#source.bytesRead;
    }, QUIET_MS);
    timer.unref();
    await Promise.race([this.ended, quiet.promise]);
    clearInterval(timer);
  }

  close(): void {
    this.#source.destroy();
  }
}

/** What a container says, from its pipes. */
export class ContainerOutput {
  readonly #pipes: Record<OutputStream, OutputPipe>;
  readonly #log: ContainerLog;

  constructor(paths: Record<OutputStream, string>, log: ContainerLog) {
    this.#log = log;
    this.#pipes = {
      stdout: new OutputPipe(paths.stdout, 'stdout', log),
      stderr: new OutputPipe(paths.stderr, 'stderr', log),
    };
  }

  /** Output from now on. Ends with the container's own. */
  tap(stream: OutputStream): Readable {
    return this.#pipes[stream].tap();
  }

  /** The container has ended. Resolves when all that it wrote is in the log. */
  async drain(): Promise<void> {
    await Promise.all(
      OUTPUTS.map(async (stream) => {
        await this.#pipes[stream].drain();
        this.#log.end(stream);
      }),
    );
    this.close();
  }

  /** Stops reading; the rest stays in the pipes. */
  close(): void {
    for (const pipe of Object.values(this.#pipes)) pipe.close();
    this.#log.close();
  }
}
