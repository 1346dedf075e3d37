import { Duplex } from 'node:stream';
import { TestWebSocketClient } from './websocket-client.ts';

/** The client's end of a tunnel through a WebSocket's binary messages. For tests. */
export class WebSocketTunnelClient extends Duplex {
  readonly #client: TestWebSocketClient;
  #taken = 0;

  constructor(socket: Duplex, head: Buffer) {
    super();
    this.#client = new TestWebSocketClient(socket, head);
    void this.#pump();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    void this.#client.send(chunk).then(callback);
  }

  override _final(callback: () => void): void {
    this.#client.destroy();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#client.destroy();
    callback(error);
  }

  async #pump(): Promise<void> {
    const { received } = this.#client;
    try {
      for (;;) {
        await this.#client.until(() => received.length > this.#taken);
        const next = received[this.#taken++];
        if (next?.type !== 'message') break;
        this.push(next.payload);
      }
    } catch {
      // The socket closed.
    }
    this.push(null);
  }
}
