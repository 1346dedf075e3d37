import { Duplex } from 'node:stream';
import type { SpdyHeaders } from '../wire/spdy/frames.ts';

/** What a stream needs of its connection. */
export interface SpdyStreamLink {
  sendData(stream: SpdyStream, chunks: readonly Buffer[], done: () => void): void;
  sendFin(stream: SpdyStream): void;
  sendReset(stream: SpdyStream): void;
  sendReply(stream: SpdyStream): void;
  /** The consumer wants more. */
  drained(stream: SpdyStream): void;
  forget(stream: SpdyStream): void;
}

/**
 * One SPDY stream. `end()` closes our half (FIN) and leaves the other open; `destroy()` resets it (RST_STREAM). An error of a stream nobody listens to does not end
 * the process.
 */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  /** Resolves when the peer accepted a stream that we opened; rejects when it refused it, or the connection ended. */
  readonly accepted: Promise<void>;
  readonly #link: SpdyStreamLink;
  readonly #opened: boolean;
  #replied: boolean;
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void };
  #ended = { sent: false, received: false, reset: false };

  constructor(link: SpdyStreamLink, id: number, headers: SpdyHeaders, options: { readonly opened: boolean }) {
    super({ allowHalfOpen: true, emitClose: true, readableHighWaterMark: 65_536, writableHighWaterMark: 65_536 });
    this.#link = link;
    this.id = id;
    this.headers = headers;
    this.#opened = options.opened;
    this.#replied = false;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.accepted = promise;
    this.#settle = { resolve, reject };
    promise.catch(() => undefined);
    if (!options.opened) resolve();
    this.on('error', () => undefined);
    // After FIN Node asks for no more, so that what waited is known to be taken only now.
    this.once('end', () => link.drained(this));
  }

  /** The first value of a header, or undefined. */
  header(name: string): string | undefined {
    return this.headers.get(name.toLowerCase())?.[0];
  }

  /** Accepts a stream that the peer opened. Its data may be read before that. */
  reply(): void {
    if (this.#replied || this.destroyed) return;
    this.#replied = true;
    this.#link.sendReply(this);
  }

  /** For the connection: bytes that the peer sent. */
  deliver(payload: Buffer): void {
    if (!this.readableEnded && !this.destroyed) this.push(payload);
  }

  /** For the connection: the peer sends no more. */
  deliverEnd(): void {
    if (this.#ended.received) return;
    this.#ended.received = true;
    this.push(null);
  }

  /** For the connection: the peer, or the connection's end, tore the stream down; nothing is sent any more. */
  tear(error?: Error): void {
    this.#ended.reset = true;
    // What came can be read to its end: a server resets or closes right behind what it says last.
    const keeps = error === undefined && (this.#ended.received || (this.#opened && this.readableLength > 0));
    if (!keeps || this.readableEnded) return void this.destroy(error);
    this.once('end', () => this.destroy());
    this.deliverEnd();
  }

  /** For the connection. */
  acceptedByPeer(): void {
    this.#settle.resolve();
  }

  get endReceived(): boolean {
    return this.#ended.received;
  }

  override _read(): void {
    this.#link.drained(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#link.sendData(this, [chunk], callback);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], callback: () => void): void {
    this.#link.sendData(
      this,
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: () => void): void {
    this.#ended.sent = true;
    this.#link.sendFin(this);
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const complete = this.#ended.sent && this.#ended.received;
    if (!complete && !this.#ended.reset) this.#link.sendReset(this);
    this.#settle.reject(error ?? new Error('the SPDY stream was reset'));
    this.#link.forget(this);
    callback(error);
  }
}
