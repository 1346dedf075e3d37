import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { tell } from './fifo.ts';
import { writePipe } from './pipe-pool.ts';

/** A container's standard input, which every attached client writes to. `path` is its pipe, once it is there. */
export class ContainerInput {
  readonly #directory: string;
  readonly #once: boolean;
  readonly #path: () => string | undefined;
  #socket: Socket | undefined;

  constructor(directory: string, once: boolean, path: () => string | undefined) {
    this.#directory = directory;
    this.#once = once;
    this.#path = path;
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
      const path = this.#path();
      if (path === undefined) return undefined;
      this.#socket = writePipe(path);
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
