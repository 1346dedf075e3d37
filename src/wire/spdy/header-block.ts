import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { ProtocolError } from '../../lib/errors.ts';
import { ByteCursor } from '../byte-cursor.ts';
import { headerDictionary, headerDictionaryId } from './dictionary.ts';
import type { SpdyHeaders } from './frames.ts';
import { MAX_HEADER_BLOCK_BYTES, MAX_HEADERS } from './limits.ts';

/*
 * All header blocks of one direction are one zlib stream (§2.6.10.1), cut by Z_SYNC_FLUSH at each frame's end. A flush ends on a byte boundary, so each
 * block can be inflated by itself as raw deflate when it is given the 32 KiB that came before as its dictionary: synchronously, in public API, and with a
 * limit to the output that zlib itself keeps.
 *
 *   first block:   CMF FLG DICTID(4) deflate-blocks 00 00 FF FF
 *   later blocks:                    deflate-blocks 00 00 FF FF
 */

/** How far back deflate can refer (RFC 1951 §2). */
const WINDOW_BYTES = 32_768;
const SYNC_FLUSH_MARKER = Buffer.of(0x00, 0x00, 0xff, 0xff);
const FLAG_PRESET_DICTIONARY = 0x20;
const ZLIB_HEADER = Buffer.of(0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2);

/** Decompresses the header blocks of one direction, in order; each must be given, also one whose frame is then refused. */
export class HeaderBlockReader {
  #window: Buffer = Buffer.alloc(0);
  #started = false;

  read(block: Buffer): SpdyHeaders {
    const plain = this.#inflate(this.#started ? block : this.#start(block));
    this.#window = Buffer.concat([this.#window, plain]).subarray(-WINDOW_BYTES);
    return parseHeaders(plain);
  }

  /** Takes the zlib header off the first block (RFC 1950 §2.2). */
  #start(block: Buffer): Buffer {
    const cursor = new ByteCursor(block, 'SPDY header block');
    const cmfFlg = cursor.uint16();
    if (((cmfFlg >> 8) & 0x0f) !== 8 || cmfFlg % 31 !== 0) throw new ProtocolError('SPDY header block: no zlib header');
    if ((cmfFlg & FLAG_PRESET_DICTIONARY) !== 0) {
      if (cursor.uint32() !== headerDictionaryId) throw new ProtocolError('SPDY header block: unknown dictionary');
      this.#window = headerDictionary;
    }
    this.#started = true;
    return cursor.rest();
  }

  #inflate(deflated: Buffer): Buffer {
    if (!deflated.subarray(-SYNC_FLUSH_MARKER.length).equals(SYNC_FLUSH_MARKER)) {
      throw new ProtocolError('SPDY header block: not flushed at its end');
    }
    try {
      return inflateRawSync(deflated, {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: MAX_HEADER_BLOCK_BYTES,
        ...(this.#window.length === 0 ? {} : { dictionary: this.#window }),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw new ProtocolError(`SPDY header block: more than ${MAX_HEADER_BLOCK_BYTES} bytes`);
      }
      throw new ProtocolError('SPDY header block: broken compression', { cause: error });
    }
  }
}

/** Compresses the header blocks of one direction. Keeps no history: our blocks are small and refer to nothing before them. */
export class HeaderBlockWriter {
  #started = false;

  write(headers: SpdyHeaders): Buffer {
    const deflated = deflateRawSync(serialiseHeaders(headers), { finishFlush: constants.Z_SYNC_FLUSH });
    if (this.#started) return deflated;
    this.#started = true;
    return Buffer.concat([ZLIB_HEADER, deflated]);
  }
}

/*
 *   count(32) { name-length(32) name value-length(32) value }…
 *
 * Names are lower case and occur once; several values of one name are joined by NUL (§2.6.10).
 */
function parseHeaders(block: Buffer): SpdyHeaders {
  const cursor = new ByteCursor(block, 'SPDY header block');
  const count = cursor.uint32();
  if (count > MAX_HEADERS) throw new ProtocolError(`SPDY header block: more than ${MAX_HEADERS} headers`);
  const headers = new Map<string, readonly string[]>();
  for (let i = 0; i < count; i++) {
    const name = cursor.bytes(cursor.uint32()).toString('latin1');
    const value = cursor.bytes(cursor.uint32()).toString('utf8');
    if (name === '') throw new ProtocolError('SPDY header block: a header without a name');
    if (name !== name.toLowerCase()) throw new ProtocolError('SPDY header block: a header name is not lower case');
    if (headers.has(name)) throw new ProtocolError('SPDY header block: a header occurs twice');
    headers.set(name, value.split('\0'));
  }
  if (cursor.remaining !== 0) throw new ProtocolError('SPDY header block: bytes after the last header');
  return headers;
}

function serialiseHeaders(headers: SpdyHeaders): Buffer {
  const parts: Buffer[] = [uint32(headers.size)];
  for (const [name, values] of headers) {
    for (const text of [name.toLowerCase(), values.join('\0')]) {
      const bytes = Buffer.from(text, 'utf8');
      parts.push(uint32(bytes.length), bytes);
    }
  }
  return Buffer.concat(parts);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
