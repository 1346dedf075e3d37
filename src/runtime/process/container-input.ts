import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { tell, writeFifo } from './fifo.ts';

/** A container's standard input, which every attached client writes to. */
export class ContainerInput {
  readonly #directory: string;
  readonly #once: boolean;
  #socket: Socket | undefined;

  constructor(directory: string, once: boolean) {
    this.#directory = directory;
    this.#once = once;
  }

  /** One client's way in. With `stdinOnce` the first to end ends it for good, as Kubernetes says. */
  writable(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        const socket = this.#open();
        if (socket?.writable === true) socket.write(chunk, done);
        else done(new Error('the standard input of the container is closed'));
      },
      final: (done) => {
        this.#ended();
        done();
      },
      destroy: (error, done) => {
        this.#ended();
        done(error);
      },
    });
  }

  #open(): Socket | undefined {
    if (this.#socket !== undefined) return this.#socket;
    try {
      this.#socket = writeFifo(join(this.#directory, 'stdin'));
      this.#socket.on('error', () => undefined);
    } catch {
      // Nobody reads any more.
    }
    return this.#socket;
  }

  #ended(): void {
    if (!this.#once) return;
    this.#socket?.end();
    tell(join(this.#directory, 'closestdin'), 'x\n');
  }

  close(): void {
    this.#socket?.destroy();
  }
}
