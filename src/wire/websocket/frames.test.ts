import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../lib/errors.ts';
import { type WebSocketFrame, WebSocketFrameParser } from './frame-parser.ts';
import { binaryHeader, closeFrame, pingFrame, pongFrame } from './frame-writer.ts';
import { headerTokens, isWebSocketKey, webSocketAccept } from './handshake.ts';
import { MAX_FRAME_BYTES } from './limits.ts';
import { unmask } from './mask.ts';

const KEY = Buffer.from('37fa213d', 'hex');

interface Raw {
  readonly first: number;
  readonly payload?: Buffer;
  /** The length that is declared, and in how many bytes. */
  readonly length?: bigint;
  readonly lengthBytes?: 0 | 2 | 8;
  readonly masked?: boolean;
}

function frame({ first, payload = Buffer.alloc(0), masked = true, ...declared }: Raw): Buffer {
  const length = declared.length ?? BigInt(payload.length);
  const lengthBytes = declared.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const header = Buffer.alloc(2 + lengthBytes);
  header[0] = first;
  header[1] = (masked ? 0x80 : 0) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) header.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 8) header.writeBigUInt64BE(length, 2);
  const body = Buffer.from(payload);
  if (masked) for (let i = 0; i < body.length; i++) body[i]! ^= KEY[i % 4]!;
  return Buffer.concat([header, masked ? KEY : Buffer.alloc(0), body]);
}

function parse(...chunks: readonly Buffer[]): WebSocketFrame[] {
  const parser = new WebSocketFrameParser();
  const frames: WebSocketFrame[] = [];
  for (const chunk of chunks) {
    parser.push(Buffer.from(chunk));
    for (let next = parser.next(); next !== undefined; next = parser.next()) frames.push(next);
  }
  return frames;
}

function data(text: string, start: boolean, end: boolean): WebSocketFrame {
  return { type: 'data', kind: 'binary', payload: Buffer.from(text), start, end };
}

test('unmasks at every alignment and position as byte by byte', () => {
  const plain = Buffer.from(Array.from({ length: 67 }, (_, i) => (i * 37) & 0xff));
  for (let offset = 0; offset < 9; offset++) {
    for (let length = 0; length < 40; length++) {
      for (let position = 0; position < 5; position++) {
        const bytes = Buffer.from(new ArrayBuffer(128), offset, length);
        plain.copy(bytes);
        unmask(bytes, KEY, position);
        const expected = plain.subarray(0, length).map((byte, i) => byte ^ KEY[(i + position) % 4]!);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(expected));
      }
    }
  }
});

test('reads messages whole, in fragments with control frames between, and byte by byte', () => {
  const bytes = [
    frame({ first: 0x82, payload: Buffer.from('whole') }),
    frame({ first: 0x02, payload: Buffer.from('one ') }),
    frame({ first: 0x89, payload: Buffer.from('ping') }),
    frame({ first: 0x00, payload: Buffer.alloc(0) }),
    frame({ first: 0x80, payload: Buffer.from('two') }),
    frame({ first: 0x82 }),
    frame({ first: 0x81, payload: Buffer.from('t') }),
    frame({ first: 0x8a, payload: Buffer.from('pong') }),
    frame({ first: 0x88, payload: Buffer.concat([Buffer.of(0x03, 0xe8), Buffer.from('bye')]) }),
    frame({ first: 0x88 }),
  ];
  assert.deepEqual(parse(...bytes), [
    data('whole', true, true),
    data('one ', true, false),
    { type: 'ping', payload: Buffer.from('ping') },
    data('', false, false),
    data('two', false, true),
    data('', true, true),
    { type: 'data', kind: 'text', payload: Buffer.from('t'), start: true, end: true },
    { type: 'pong', payload: Buffer.from('pong') },
    { type: 'close', code: 1000, reason: 'bye' },
    { type: 'close', code: 1005, reason: '' },
  ]);
  const pieces = parse(...Array.from(Buffer.concat(bytes), (byte) => Buffer.of(byte)));
  const text = pieces.map((piece) =>
    piece.type === 'data' ? `${piece.start ? '<' : ''}${piece.payload}${piece.end ? '>' : ''}` : piece.type,
  );
  assert.equal(text.join(''), '<whole><one pingtwo><><t>pongcloseclose');
});

test('reads lengths of each size, and what we write', () => {
  for (const length of [0, 1, 124, 125, 126, 65_534, 65_535, 65_536, 70_000]) {
    const payload = Buffer.alloc(length, 'x');
    const [piece] = parse(frame({ first: 0x82, payload }));
    assert.ok(piece?.type === 'data' && piece.end);
    assert.ok(piece.payload.equals(payload));
    const ours = binaryHeader(length, 7);
    const lengthBytes = length + 1 < 126 ? 0 : length + 1 < 65_536 ? 2 : 8;
    assert.equal(ours.length, 2 + lengthBytes + 1);
    assert.equal(ours.at(-1), 7);
    const declared =
      lengthBytes === 0 ? ours[1] : lengthBytes === 2 ? ours.readUInt16BE(2) : Number(ours.readBigUInt64BE(2));
    assert.equal(declared, length + 1);
  }
});

test('a frame declares at most its limit, and what it declares makes nothing grow', () => {
  const parser = new WebSocketFrameParser();
  parser.push(frame({ first: 0x82, length: BigInt(MAX_FRAME_BYTES), payload: Buffer.from('abc') }));
  assert.deepEqual(parser.next(), data('abc', true, false));
  assert.equal(parser.next(), undefined);
  for (const length of [BigInt(MAX_FRAME_BYTES) + 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    assert.throws(() => parse(frame({ first: 0x82, length })), /more than 1073741824 bytes/);
  }
});

for (const [what, bytes, message] of [
  ['an unmasked frame', frame({ first: 0x82, masked: false }), /must mask/],
  ['a compressed frame', frame({ first: 0xc2 }), /reserved bit/],
  ['a reserved bit', frame({ first: 0x92 }), /reserved bit/],
  ['an unknown data opcode', frame({ first: 0x83 }), /opcode 3/],
  ['an unknown control opcode', frame({ first: 0x8b }), /opcode 11/],
  ['a fragmented ping', frame({ first: 0x09 }), /control frame/],
  ['a ping of 126 bytes', frame({ first: 0x89, payload: Buffer.alloc(126) }), /control frame/],
  ['a continuation of nothing', frame({ first: 0x80 }), /continuation of nothing/],
  ['a message inside a message', Buffer.concat([frame({ first: 0x02 }), frame({ first: 0x82 })]), /inside a message/],
  ['a length of 125 in two bytes', frame({ first: 0x82, length: 125n, lengthBytes: 2 }), /shortest form/],
  ['a length of 65535 in eight bytes', frame({ first: 0x82, length: 65_535n, lengthBytes: 8 }), /shortest form/],
  ['half a close code', frame({ first: 0x88, payload: Buffer.of(3) }), /half a code/],
  ['close code 1005', frame({ first: 0x88, payload: Buffer.of(0x03, 0xed) }), /code 1005/],
  ['close code 2999', frame({ first: 0x88, payload: Buffer.of(0x0b, 0xb7) }), /code 2999/],
  ['close code 5000', frame({ first: 0x88, payload: Buffer.of(0x13, 0x88) }), /code 5000/],
  ['a close reason that is not UTF-8', frame({ first: 0x88, payload: Buffer.of(0x03, 0xe8, 0xff) }), /not UTF-8/],
] as const) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => parse(bytes),
      (error) => error instanceof ProtocolError && message.test(error.message),
    );
  });
}

test('control frames are written as RFC 6455 §5.5 has them', () => {
  assert.equal(pingFrame(Buffer.from('ab')).toString('hex'), '89026162');
  assert.equal(pongFrame(Buffer.alloc(0)).toString('hex'), '8a00');
  assert.equal(closeFrame(1000, 'ok').toString('hex'), '880403e86f6b');
  assert.equal(closeFrame(1002, 'x'.repeat(123)).length, 127);
  assert.throws(() => closeFrame(1002, 'x'.repeat(124)), RangeError);
});

test('the handshake answers as the example of RFC 6455 §1.3', () => {
  assert.equal(webSocketAccept('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  assert.ok(isWebSocketKey('dGhlIHNhbXBsZSBub25jZQ=='));
  for (const key of ['', 'dGhlIHNhbXBsZSBub25jZQ', 'dGhlIHNhbXBsZSBub25jZR==x', 'dGhlIHNhbXBsZSBub25jZQ==\r\nX: y']) {
    assert.ok(!isWebSocketKey(key));
  }
  assert.deepEqual(headerTokens(['a, b ,', 'c']), ['a', 'b', 'c']);
  assert.deepEqual(headerTokens(undefined), []);
});
