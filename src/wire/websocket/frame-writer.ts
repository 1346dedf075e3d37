import { opcode } from './frame-parser.ts';
import { MAX_CONTROL_PAYLOAD_BYTES } from './limits.ts';

/*
 * What a server sends: unmasked (RFC 6455 §5.1), never fragmented. The layout stands in `frame-parser.ts`.
 */

/**
 * The bytes before the payload of a binary message. `prefix`, if given, is the message's own first byte (a channel number), so that the payload behind it need not
 * be copied.
 */
export function binaryHeader(payloadBytes: number, prefix?: number): Buffer {
  const prefixBytes = prefix === undefined ? 0 : 1;
  const length = payloadBytes + prefixBytes;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.allocUnsafe(2 + lengthBytes + prefixBytes);
  header[0] = 0x80 | opcode.binary;
  if (lengthBytes === 0) {
    header[1] = length;
  } else if (lengthBytes === 2) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (prefix !== undefined) header[2 + lengthBytes] = prefix;
  return header;
}

export function pingFrame(payload: Buffer): Buffer {
  return controlFrame(opcode.ping, payload);
}

export function pongFrame(payload: Buffer): Buffer {
  return controlFrame(opcode.pong, payload);
}

/** `reason` must fit: at most 123 bytes. */
export function closeFrame(code: number, reason = ''): Buffer {
  const payload = Buffer.concat([Buffer.allocUnsafe(2), Buffer.from(reason, 'utf8')]);
  payload.writeUInt16BE(code, 0);
  return controlFrame(opcode.close, payload);
}

function controlFrame(code: number, payload: Buffer): Buffer {
  if (payload.length > MAX_CONTROL_PAYLOAD_BYTES) throw new RangeError('a control frame has at most 125 bytes');
  return Buffer.concat([Buffer.of(0x80 | code, payload.length), payload]);
}
