import { isUtf8 } from 'node:buffer';
import { ProtocolError } from '../../lib/errors.ts';
import { ByteQueue } from '../byte-queue.ts';
import { MAX_CONTROL_PAYLOAD_BYTES, MAX_FRAME_BYTES } from './limits.ts';
import { unmask } from './mask.ts';

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type WebSocketFrame =
  /**
   * A piece of a message, as it arrived, fragments included. `start` stands on a message's first piece, `end` on its last; pieces may be empty, a message may
   * be one empty piece.
   */
  | {
      readonly type: 'data';
      readonly kind: 'binary' | 'text';
      readonly payload: Buffer;
      readonly start: boolean;
      readonly end: boolean;
    }
  | { readonly type: 'ping'; readonly payload: Buffer }
  | { readonly type: 'pong'; readonly payload: Buffer }
  /** Code 1005: the frame had none (RFC 6455 §7.1.5). */
  | { readonly type: 'close'; readonly code: number; readonly reason: string };

interface DataFrame {
  readonly final: boolean;
  readonly key: Buffer;
  position: number;
  left: number;
}

/*
 * A frame (RFC 6455 §5.2):
 *
 *   FIN(1) RSV(3) opcode(4) | MASK(1) length(7) | [length(16) if 126, length(64) if 127] | key(32) if MASK | payload
 */

/** Reads what a client sends: every frame is masked (§5.1). No extension is ever negotiated, so RSV bits are errors. */
export class WebSocketFrameParser {
  readonly #queue = new ByteQueue();
  #message: { readonly kind: 'binary' | 'text'; started: boolean } | undefined;
  #frame: DataFrame | undefined;

  /** Takes `chunk` over: its bytes are unmasked in place. Call `next` until it answers undefined. */
  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  /** The next control frame or piece of a message; undefined: needs more bytes. Throws `ProtocolError`. */
  next(): WebSocketFrame | undefined {
    if (this.#frame === undefined) {
      const control = this.#header();
      if (control !== 'data') return control;
    }
    return this.#piece(this.#frame!);
  }

  /** A whole control frame; 'data' once a data frame's header was read; undefined: needs more bytes. */
  #header(): WebSocketFrame | 'data' | undefined {
    if (this.#queue.length < 2) return undefined;
    const start = this.#queue.peek(2);
    const code = start[0]! & 0x0f;
    const final = (start[0]! & 0x80) !== 0;
    const shortLength = start[1]! & 0x7f;
    if ((start[0]! & 0x70) !== 0) throw new ProtocolError('WebSocket frame: a reserved bit is set');
    if ((start[1]! & 0x80) === 0) throw new ProtocolError('WebSocket frame: a client must mask');
    const isControl = (code & 0x08) !== 0;
    if (isControl && (!final || shortLength > MAX_CONTROL_PAYLOAD_BYTES)) {
      throw new ProtocolError('WebSocket control frame: fragmented or longer than 125 bytes');
    }
    const headerBytes = 2 + (shortLength < 126 ? 0 : shortLength === 126 ? 2 : 8) + 4;
    if (this.#queue.length < headerBytes) return undefined;
    const header = this.#queue.peek(headerBytes);
    const length = payloadLength(header, shortLength);
    if (isControl && this.#queue.length < headerBytes + length) return undefined;
    this.#queue.take(headerBytes);
    const key = Buffer.from(header.subarray(-4));
    if (isControl) {
      const payload = this.#queue.take(length);
      unmask(payload, key, 0);
      return controlFrame(code, payload);
    }
    this.#beginData(code);
    this.#frame = { final, key, position: 0, left: length };
    return 'data';
  }

  #beginData(code: number): void {
    if (code === opcode.continuation) {
      if (this.#message === undefined) throw new ProtocolError('WebSocket frame: a continuation of nothing');
      return;
    }
    if (code !== opcode.binary && code !== opcode.text) throw new ProtocolError(`WebSocket frame: opcode ${code}`);
    if (this.#message !== undefined) throw new ProtocolError('WebSocket frame: a message inside a message');
    this.#message = { kind: code === opcode.text ? 'text' : 'binary', started: false };
  }

  #piece(frame: DataFrame): WebSocketFrame | undefined {
    if (frame.left > 0 && this.#queue.length === 0) return undefined;
    const message = this.#message!;
    const payload = frame.left === 0 ? Buffer.alloc(0) : this.#queue.takeSome(frame.left);
    unmask(payload, frame.key, frame.position);
    frame.position += payload.length;
    frame.left -= payload.length;
    const start = !message.started;
    const end = frame.final && frame.left === 0;
    message.started = true;
    if (frame.left === 0) this.#frame = undefined;
    if (end) this.#message = undefined;
    return { type: 'data', kind: message.kind, payload, start, end };
  }
}

function payloadLength(header: Buffer, shortLength: number): number {
  if (shortLength < 126) return shortLength;
  if (shortLength === 126) {
    const length = header.readUInt16BE(2);
    if (length < 126) throw new ProtocolError('WebSocket frame: its length is not in the shortest form');
    return length;
  }
  const length = header.readBigUInt64BE(2);
  if (length < 65_536n) throw new ProtocolError('WebSocket frame: its length is not in the shortest form');
  if (length > BigInt(MAX_FRAME_BYTES)) throw new ProtocolError(`WebSocket frame: more than ${MAX_FRAME_BYTES} bytes`);
  return Number(length);
}

function controlFrame(code: number, payload: Buffer): WebSocketFrame {
  switch (code) {
    case opcode.ping:
      return { type: 'ping', payload };
    case opcode.pong:
      return { type: 'pong', payload };
    case opcode.close: {
      if (payload.length === 0) return { type: 'close', code: 1005, reason: '' };
      if (payload.length === 1) throw new ProtocolError('WebSocket close: half a code');
      const status = payload.readUInt16BE(0);
      const reason = payload.subarray(2);
      if (!isCloseCode(status)) throw new ProtocolError(`WebSocket close: code ${status}`);
      if (!isUtf8(reason)) throw new ProtocolError('WebSocket close: its reason is not UTF-8');
      return { type: 'close', code: status, reason: reason.toString('utf8') };
    }
    default:
      throw new ProtocolError(`WebSocket frame: opcode ${code}`);
  }
}

/** RFC 6455 §7.4: codes that may stand in a frame. */
function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
}
