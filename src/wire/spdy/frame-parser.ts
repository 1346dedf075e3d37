import { ProtocolError } from '../../lib/errors.ts';
import { ByteCursor } from '../byte-cursor.ts';
import { ByteQueue } from '../byte-queue.ts';
import {
  controlType,
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  SPDY_VERSION,
  type SpdyFrame,
  type SpdySetting,
} from './frames.ts';
import { HeaderBlockReader } from './header-block.ts';
import { MAX_CONTROL_FRAME_BYTES, MAX_SETTINGS, MAX_STREAM_ID } from './limits.ts';

/*
 * A control frame (§2.2.1) and a data frame (§2.2.2):
 *
 *   +-+---------------+---------------+     +-+-------------------------------+
 *   |1| version (15)  | type (16)     |     |0| stream id (31)                |
 *   +-+------+--------+---------------+     +-+------+------------------------+
 *   | flags  | length (24)            |     | flags  | length (24)            |
 *   +--------+------------------------+     +--------+------------------------+
 *   | data …                          |     | data …                          |
 */
const HEADER_BYTES = 8;

/** Reads SPDY/3.1 frames of one direction. After a `ProtocolError` the connection has no meaning any more and ends. */
export class SpdyFrameParser {
  readonly #queue = new ByteQueue();
  readonly #headerBlocks = new HeaderBlockReader();
  /** The DATA frame whose payload is still arriving. */
  #data: { readonly streamId: number; readonly fin: boolean; left: number } | undefined;

  /** Keeps a reference to `chunk`; call `next` until it answers undefined. */
  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  /** The next frame or piece of a DATA frame; undefined: needs more bytes. Throws `ProtocolError`. */
  next(): SpdyFrame | undefined {
    for (;;) {
      if (this.#data !== undefined) return this.#dataPiece(this.#data);
      if (this.#queue.length < HEADER_BYTES) return undefined;
      const header = this.#queue.peek(HEADER_BYTES);
      const word = header.readUInt32BE(0);
      const flags = header.readUInt8(4);
      const length = header.readUIntBE(5, 3);
      if (word < 0x80_00_00_00) {
        this.#queue.take(HEADER_BYTES);
        if (word === 0) throw new ProtocolError('SPDY DATA: stream id 0');
        if ((flags & ~FLAG_FIN) !== 0) throw new ProtocolError('SPDY DATA: unknown flags');
        this.#data = { streamId: word, fin: (flags & FLAG_FIN) !== 0, left: length };
        continue;
      }
      const version = (word >>> 16) & 0x7f_ff;
      if (version !== SPDY_VERSION) throw new ProtocolError(`SPDY version ${version}: 3 is spoken here`);
      if (length > MAX_CONTROL_FRAME_BYTES) {
        throw new ProtocolError(`SPDY control frame: more than ${MAX_CONTROL_FRAME_BYTES} bytes`);
      }
      if (this.#queue.length < HEADER_BYTES + length) return undefined;
      this.#queue.take(HEADER_BYTES);
      const frame = this.#control(word & 0xff_ff, flags, this.#queue.take(length));
      if (frame !== undefined) return frame;
    }
  }

  #dataPiece(data: { readonly streamId: number; readonly fin: boolean; left: number }): SpdyFrame | undefined {
    if (data.left > 0 && this.#queue.length === 0) return undefined;
    const payload = data.left === 0 ? Buffer.alloc(0) : this.#queue.takeSome(data.left);
    data.left -= payload.length;
    if (data.left > 0) return { type: 'data', streamId: data.streamId, payload, fin: false };
    this.#data = undefined;
    return { type: 'data', streamId: data.streamId, payload, fin: data.fin };
  }

  /** undefined for a type that SPDY/3.1 does not define: it is to be ignored (§2.2.1). */
  #control(type: number, flags: number, body: Buffer): SpdyFrame | undefined {
    const cursor = new ByteCursor(body, 'SPDY control frame');
    switch (type) {
      case controlType.synStream:
        return this.#synStream(flags, cursor);
      case controlType.synReply:
      case controlType.headers: {
        const streamId = nonZeroStreamId(cursor);
        const headers = this.#headerBlocks.read(cursor.rest());
        const fin = onlyFin(flags);
        return { type: type === controlType.synReply ? 'syn-reply' : 'headers', streamId, fin, headers };
      }
      case controlType.rstStream: {
        noFlags(flags);
        const frame: SpdyFrame = { type: 'rst-stream', streamId: nonZeroStreamId(cursor), status: cursor.uint32() };
        if (frame.status === 0) throw new ProtocolError('SPDY RST_STREAM: status 0');
        return complete(cursor, frame);
      }
      case controlType.settings:
        return complete(cursor, { type: 'settings', settings: settings(cursor) });
      case controlType.ping:
        noFlags(flags);
        return complete(cursor, { type: 'ping', id: cursor.uint32() });
      case controlType.goaway:
        noFlags(flags);
        return complete(cursor, { type: 'goaway', lastGoodStreamId: streamId31(cursor), status: cursor.uint32() });
      case controlType.windowUpdate: {
        noFlags(flags);
        const streamId = streamId31(cursor);
        const delta = cursor.uint32() & MAX_STREAM_ID;
        if (delta === 0) throw new ProtocolError('SPDY WINDOW_UPDATE: delta 0');
        return complete(cursor, { type: 'window-update', streamId, delta });
      }
      default:
        return undefined;
    }
  }

  /*
   * SYN_STREAM (§2.6.1):  0 stream-id(31)  0 associated-to(31)  priority(3) unused(5)  slot(8)  header-block
   */
  #synStream(flags: number, cursor: ByteCursor): SpdyFrame {
    const streamId = nonZeroStreamId(cursor);
    const associatedTo = streamId31(cursor);
    const priority = cursor.uint8() >> 5;
    const slot = cursor.uint8();
    const headers = this.#headerBlocks.read(cursor.rest());
    if (slot !== 0) throw new ProtocolError('SPDY SYN_STREAM: credential slots are not supported');
    if ((flags & ~(FLAG_FIN | FLAG_UNIDIRECTIONAL)) !== 0) throw new ProtocolError('SPDY SYN_STREAM: unknown flags');
    return {
      type: 'syn-stream',
      streamId,
      associatedTo,
      priority,
      fin: (flags & FLAG_FIN) !== 0,
      unidirectional: (flags & FLAG_UNIDIRECTIONAL) !== 0,
      headers,
    };
  }
}

/* SETTINGS (§2.6.4):  count(32) { flags(8) id(24) value(32) }… */
function settings(cursor: ByteCursor): readonly SpdySetting[] {
  const count = cursor.uint32();
  if (count > MAX_SETTINGS) throw new ProtocolError(`SPDY SETTINGS: more than ${MAX_SETTINGS} entries`);
  return Array.from({ length: count }, () => {
    const word = cursor.uint32();
    return { flags: word >>> 24, id: word & 0xff_ff_ff, value: cursor.uint32() };
  });
}

function streamId31(cursor: ByteCursor): number {
  return cursor.uint32() & MAX_STREAM_ID;
}

function nonZeroStreamId(cursor: ByteCursor): number {
  const id = streamId31(cursor);
  if (id === 0) throw new ProtocolError('SPDY control frame: stream id 0');
  return id;
}

function onlyFin(flags: number): boolean {
  if ((flags & ~FLAG_FIN) !== 0) throw new ProtocolError('SPDY control frame: unknown flags');
  return (flags & FLAG_FIN) !== 0;
}

function noFlags(flags: number): void {
  if (flags !== 0) throw new ProtocolError('SPDY control frame: flags where none are defined');
}

function complete(cursor: ByteCursor, frame: SpdyFrame): SpdyFrame {
  if (cursor.remaining !== 0) throw new ProtocolError(`SPDY ${frame.type}: its length does not match its type`);
  return frame;
}
