import type { Duplex } from 'node:stream';
import { ProtocolError } from '../lib/errors.ts';
import { type WebSocketFrame, WebSocketFrameParser } from '../wire/websocket/frame-parser.ts';
import { binaryHeader, closeFrame, pingFrame, pongFrame } from '../wire/websocket/frame-writer.ts';
import { FrameOutput } from './frame-output.ts';
import { InputGate } from './input-gate.ts';
import { IDLE_TIMEOUT_MS, LINGER_MS, MAX_EMPTY_FRAMES, PING_INTERVAL_MS } from './limits.ts';
import { SessionTimers } from './session-timers.ts';

export type MessagePiece = WebSocketFrame & { readonly type: 'data' };

export interface WebSocketConnectionOptions {
  /** A piece of a message. A `ProtocolError` that it throws closes the connection with code 1002. */
  readonly onData: (piece: MessagePiece) => void;
  readonly head?: Buffer;
  readonly idleTimeoutMs?: number;
  readonly pingIntervalMs?: number;
}

/** RFC 6455 §7.4.1. */
const NORMAL = 1000;
const PROTOCOL_ERROR = 1002;

/** The server's end of one WebSocket, after its handshake. Ends with its socket, and ends its socket. */
export class WebSocketConnection {
  /** Resolves when no more messages can come: the peer closed, or the socket did. */
  readonly ended: Promise<void>;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  readonly gate: InputGate;
  readonly #socket: Duplex;
  readonly #options: WebSocketConnectionOptions;
  readonly #parser = new WebSocketFrameParser();
  readonly #output: FrameOutput;
  readonly #timers: SessionTimers;
  readonly #end: () => void;
  #closing = false;
  #emptyPieces = 0;
  #error: Error | undefined;
  #linger: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, options: WebSocketConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.gate = new InputGate(socket);
    this.#output = new FrameOutput(socket);
    this.#timers = new SessionTimers({
      idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      pingIntervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
      onIdle: () => this.close(NORMAL, 'the session was idle for too long'),
      ping: () => this.#output.write(pingFrame(Buffer.alloc(0))),
    });
    const ended = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    this.ended = ended.promise;
    this.closed = closed.promise;
    this.#end = ended.resolve;
    socket.on('error', (error) => this.destroy(error));
    socket.on('end', () => this.destroy());
    socket.on('close', () => {
      this.destroy();
      closed.resolve();
    });
  }

  /** Starts reading: what `onData` refers to is ready. */
  start(): void {
    const head = this.#options.head;
    if (head !== undefined && head.length > 0) this.#receive(head);
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.resume();
  }

  /** Why the connection broke; undefined when it ended in order. */
  get error(): Error | undefined {
    return this.#error;
  }

  get open(): boolean {
    return !this.#closing;
  }

  /** Sends one binary message; `prefix` is its first byte. `done` is called when more is welcome, never once the socket is gone. */
  send(payload: readonly Buffer[], prefix: number | undefined, done: () => void): void {
    const length = payload.reduce((sum, part) => sum + part.length, 0);
    this.#timers.active();
    if (!this.#closing) this.#output.write(binaryHeader(length, prefix), ...payload);
    this.#output.ready(done);
  }

  /**
   * Closes in order: what was sent is flushed, a Close frame follows, and what the peer still sends is thrown away until it closes its side, or `LINGER_MS`
   * passed. `closed` tells when.
   */
  close(code: number = NORMAL, reason = ''): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#timers.stop();
    this.#output.write(closeFrame(code, reason));
    this.gate.release();
    this.#socket.end();
    this.#end();
    this.#linger = setTimeout(() => this.destroy(), LINGER_MS).unref();
  }

  /** Ends at once. */
  destroy(error?: Error): void {
    this.#error ??= error;
    this.#closing = true;
    this.#timers.stop();
    clearTimeout(this.#linger);
    this.#output.abandon();
    this.#end();
    if (!this.#socket.destroyed) this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#closing) return;
    try {
      this.#parser.push(chunk);
      for (let frame = this.#parser.next(); frame !== undefined; frame = this.#parser.next()) {
        this.#handle(frame);
        if (this.#closing) return;
      }
    } catch (error) {
      this.#error ??= error as Error;
      if (error instanceof ProtocolError) this.close(PROTOCOL_ERROR, error.message.slice(0, 40));
      else this.destroy(error as Error);
      return;
    }
    this.gate.choked = this.#output.choked(() => {
      this.gate.choked = false;
    });
  }

  #handle(frame: WebSocketFrame): void {
    switch (frame.type) {
      case 'data':
        this.#timers.active();
        if (frame.payload.length > 0) this.#emptyPieces = 0;
        else if (++this.#emptyPieces > MAX_EMPTY_FRAMES) throw new ProtocolError('WebSocket: too many empty frames');
        this.#options.onData(frame);
        return;
      case 'ping':
        this.#output.answer(pongFrame(frame.payload));
        return;
      case 'pong':
        return;
      case 'close':
        this.close(frame.code === 1005 ? NORMAL : frame.code);
        return;
    }
  }
}
