import type { RawConnection } from './raw-connection.ts';

/** HTTP/2 as bytes (RFC 9113 §4.1), for what no library sends. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8 } as const;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields without indexing and without Huffman (RFC 7541 §6.2.2); names and values under 127 bytes. */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    if (bytes.length > 126) throw new Error('too long for a test');
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export function request(path: string, more: readonly (readonly [string, string])[] = [], method = 'GET'): Buffer {
  return headerBlock([
    [':method', method],
    [':scheme', 'https'],
    [':authority', '127.0.0.1'],
    [':path', path],
    ...more,
  ]);
}

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function framesOf(connection: RawConnection): ReceivedFrame[] {
  const frames: ReceivedFrame[] = [];
  const { bytes } = connection;
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    if (at + 9 + length > bytes.length) break;
    const payload = bytes.subarray(at + 9, at + 9 + length);
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      streamId: bytes.readUInt32BE(at + 5),
      payload,
    });
    at += 9 + length;
  }
  return frames;
}

/** The error codes with which the server ended the connection, and which streams it reset. */
export function endsOf(connection: RawConnection): { goAway: number[]; resets: number } {
  const frames = framesOf(connection);
  return {
    goAway: frames.filter((f) => f.type === FRAME.goAway).map((f) => f.payload.readUInt32BE(4)),
    resets: frames.filter((f) => f.type === FRAME.resetStream).length,
  };
}
