import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** TCP between a client and a server that a test can cut and block. */
export class CutRelay {
  readonly url: string;
  blocked = false;
  readonly #sockets = new Set<Socket>();
  readonly #close: () => Promise<void>;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async start(target: string): Promise<CutRelay> {
    const server = createServer((socket) => {
      if (relay.blocked) {
        socket.destroy();
        return;
      }
      const onward = connect(Number(new URL(target).port), '127.0.0.1');
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        relay.#sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          relay.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const relay = new CutRelay(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, async () => {
      relay.cut();
      server.close();
      await once(server, 'close');
    });
    return relay;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): Promise<void> {
    return this.#close();
  }
}
