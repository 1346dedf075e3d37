import { Duplex } from 'node:stream';
import { ProtocolError } from '../lib/errors.ts';
import { WebSocketConnection, type WebSocketConnectionOptions } from './websocket-connection.ts';

/**
 * The bytes of a connection that is tunnelled through a WebSocket's binary messages (`SPDY/3.1+portforward.k8s.io`): message boundaries mean nothing. Its end, in either
 * direction, ends the WebSocket.
 */
export class WebSocketTunnel extends Duplex {
  readonly #connection: WebSocketConnection;

  constructor(socket: Duplex, options: Omit<WebSocketConnectionOptions, 'onData'>) {
    super({ allowHalfOpen: true, emitClose: true, readableHighWaterMark: 65_536, writableHighWaterMark: 65_536 });
    this.#connection = new WebSocketConnection(socket, {
      ...options,
      onData: (piece) => {
        if (piece.kind === 'text') throw new ProtocolError('WebSocket tunnel: a text message');
        if (piece.payload.length === 0 || this.destroyed) return;
        this.push(piece.payload);
        this.#connection.gate.received(this, [this]);
      },
    });
    void this.#connection.ended.then(() => this.push(null));
    void this.#connection.closed.then(() => this.destroy(this.#connection.error));
    this.on('error', () => undefined);
    this.#connection.start();
  }

  override _read(): void {
    this.#connection.gate.relieved(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#connection.send([chunk], undefined, callback);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], callback: () => void): void {
    this.#connection.send(
      chunks.map(({ chunk }) => chunk),
      undefined,
      callback,
    );
  }

  override _final(callback: () => void): void {
    this.#connection.close();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#connection.destroy();
    callback(error);
  }
}
