import type { Duplex } from 'node:stream';
import { CONNECTION_BUFFER_BYTES, STREAM_BUFFER_BYTES } from './limits.ts';

/** What the gate must know of a stream: how much of it waits for its consumer. */
export interface Buffering {
  readonly readableLength: number;
}

/**
 * Stops reading from a connection while a consumer is far behind. Kubernetes' peers (moby/spdystream, the channel protocols) have no windows for single streams,
 * so this is their only back-pressure: one consumer that stands still stops the connection, as it does in Kubernetes, but only after `STREAM_BUFFER_BYTES`.
 */
export class InputGate {
  readonly #socket: Duplex;
  readonly #full = new Set<Buffering>();
  #choked = false;
  #closed = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** After bytes were given to `stream`; `streams` are all of the connection. */
  received(stream: Buffering, streams: Iterable<Buffering>): void {
    if (stream.readableLength <= STREAM_BUFFER_BYTES) {
      if (stream.readableLength < 65_536) return;
      let total = 0;
      for (const each of streams) total += each.readableLength;
      if (total <= CONNECTION_BUFFER_BYTES) return;
    }
    this.#full.add(stream);
    this.#update();
  }

  /** When the consumer of `stream` asks for more, or the stream is gone. */
  relieved(stream: Buffering): void {
    if (this.#full.delete(stream)) this.#update();
  }

  /** Stops and continues for another reason: the way out is full. */
  set choked(choked: boolean) {
    this.#choked = choked;
    this.#update();
  }

  /** Reads on for ever, whoever waits: the session is over and what comes is thrown away. */
  release(): void {
    this.#closed = true;
    this.#update();
  }

  #update(): void {
    const stop = !this.#closed && (this.#choked || this.#full.size > 0);
    if (stop !== this.#socket.isPaused()) {
      if (stop) this.#socket.pause();
      else this.#socket.resume();
    }
  }
}
