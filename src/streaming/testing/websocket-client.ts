import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** A message that the server sent, or its Close frame. */
export type Received =
  | { readonly type: 'message'; readonly payload: Buffer }
  | { readonly type: 'close'; readonly code: number };

/** A WebSocket client for tests, on a socket after the handshake: it sends whatever it is told to, right or wrong. */
export class TestWebSocketClient {
  readonly received: Received[] = [];
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  #pending: Buffer = Buffer.alloc(0);
  #wake = Promise.withResolvers<void>();

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
        this.#wake.resolve();
      });
    });
    socket.on('error', () => undefined);
    this.#read(head);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.resume();
  }

  /** Sends one masked frame. `first`: its first byte; by default a whole binary message. */
  send(payload: Uint8Array, first = 0x82): Promise<void> {
    const key = randomBytes(4);
    const length = payload.length;
    const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
    header[0] = first;
    if (header.length === 2) header[1] = 0x80 | length;
    else header[1] = 0x80 | (header.length === 4 ? 126 : 127);
    if (header.length === 4) header.writeUInt16BE(length, 2);
    if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
    const masked = payload.map((byte, i) => byte ^ key[i % 4]!);
    return new Promise((resolve) => this.#socket.write(Buffer.concat([header, key, masked]), () => resolve()));
  }

  sendChannel(channel: number, text: string | Uint8Array): Promise<void> {
    return this.send(Buffer.concat([Buffer.of(channel), Buffer.from(text)]));
  }

  /** What came on a channel so far. */
  channel(channel: number): Buffer {
    return Buffer.concat(
      this.received.flatMap((each) =>
        each.type === 'message' && each.payload[0] === channel ? [each.payload.subarray(1)] : [],
      ),
    );
  }

  /** Resolves when `condition` holds; rejects when the socket closes before that. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#socket.destroyed) throw new Error('the socket closed first');
      await this.#wake.promise;
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const shortLength = this.#pending[1];
      if (shortLength === undefined) break;
      const headerBytes = shortLength < 126 ? 2 : shortLength === 126 ? 4 : 10;
      if (this.#pending.length < headerBytes) break;
      const length =
        headerBytes === 2
          ? shortLength
          : headerBytes === 4
            ? this.#pending.readUInt16BE(2)
            : Number(this.#pending.readBigUInt64BE(2));
      if (this.#pending.length < headerBytes + length) break;
      const payload = this.#pending.subarray(headerBytes, headerBytes + length);
      const code = this.#pending[0]! & 0x0f;
      this.#pending = this.#pending.subarray(headerBytes + length);
      if (code === 8) this.received.push({ type: 'close', code: payload.readUInt16BE(0) });
      else if (code === 2) this.received.push({ type: 'message', payload });
    }
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}
