import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { ContainerLog, OutputStream } from './container-log.ts';

import { ATTACH_QUEUE_BYTES, ATTACH_STALL_MS } from './limits.ts';
import { readPipe } from './pipe-pool.ts';

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
        log.end(stream);
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
    if (full) this.#source.pause();
    else if (this.#source.isPaused()) this.#source.resume();
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

  /** Resolves when all that was ever written is in the log. */
  async drained(): Promise<void> {
    await Promise.all([this.#pipes.stdout.ended, this.#pipes.stderr.ended]);
    this.#log.close();
  }

  /** Stops reading; the rest stays in the pipes. */
  close(): void {
    for (const pipe of Object.values(this.#pipes)) pipe.close();
    this.#log.close();
  }
}
