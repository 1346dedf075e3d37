import {
  controlType,
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  SPDY_VERSION,
  type SpdyHeaders,
  type SpdySetting,
} from './frames.ts';
import { HeaderBlockWriter } from './header-block.ts';
import { MAX_DATA_FRAME_BYTES } from './limits.ts';

/** Writes SPDY/3.1 frames of one direction; layouts stand in `frame-parser.ts`. Frames must be sent in the order in which they were made. */
export class SpdyFrameWriter {
  readonly #headerBlocks = new HeaderBlockWriter();

  synStream(
    streamId: number,
    headers: SpdyHeaders,
    options: { readonly fin?: boolean; readonly unidirectional?: boolean; readonly priority?: number } = {},
  ): Buffer {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt32BE(streamId, 0);
    fixed.writeUInt8((options.priority ?? 0) << 5, 8);
    const flags = (options.fin === true ? FLAG_FIN : 0) | (options.unidirectional === true ? FLAG_UNIDIRECTIONAL : 0);
    return control(controlType.synStream, flags, fixed, this.#headerBlocks.write(headers));
  }

  synReply(streamId: number, headers: SpdyHeaders, fin = false): Buffer {
    return control(controlType.synReply, fin ? FLAG_FIN : 0, words(streamId), this.#headerBlocks.write(headers));
  }

  headers(streamId: number, headers: SpdyHeaders, fin = false): Buffer {
    return control(controlType.headers, fin ? FLAG_FIN : 0, words(streamId), this.#headerBlocks.write(headers));
  }

  rstStream(streamId: number, status: number): Buffer {
    return control(controlType.rstStream, 0, words(streamId, status));
  }

  settings(settings: readonly SpdySetting[]): Buffer {
    const entries = settings.flatMap((s) => [((s.flags << 24) | s.id) >>> 0, s.value]);
    return control(controlType.settings, 0, words(settings.length, ...entries));
  }

  ping(id: number): Buffer {
    return control(controlType.ping, 0, words(id));
  }

  goaway(lastGoodStreamId: number, status: number): Buffer {
    return control(controlType.goaway, 0, words(lastGoodStreamId, status));
  }

  windowUpdate(streamId: number, delta: number): Buffer {
    return control(controlType.windowUpdate, 0, words(streamId, delta));
  }

  /** The 8 bytes before a payload of `length` bytes. */
  dataHeader(streamId: number, length: number, fin: boolean): Buffer {
    if (length > MAX_DATA_FRAME_BYTES) throw new RangeError(`a DATA frame has at most ${MAX_DATA_FRAME_BYTES} bytes`);
    const header = Buffer.allocUnsafe(8);
    header.writeUInt32BE(streamId, 0);
    header.writeUInt32BE(((fin ? FLAG_FIN : 0) << 24) | length, 4);
    return header;
  }
}

function control(type: number, flags: number, ...body: readonly Buffer[]): Buffer {
  const length = body.reduce((sum, part) => sum + part.length, 0);
  const header = Buffer.allocUnsafe(8);
  header.writeUInt16BE(0x80_00 | SPDY_VERSION, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE(((flags << 24) | length) >>> 0, 4);
  return Buffer.concat([header, ...body]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value, i * 4);
  });
  return bytes;
}
