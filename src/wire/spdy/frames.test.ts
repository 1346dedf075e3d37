import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, createDeflate, deflateRawSync } from 'node:zlib';
import { ProtocolError } from '../../lib/errors.ts';
import { headerDictionary } from './dictionary.ts';
import { SpdyFrameParser } from './frame-parser.ts';
import { SpdyFrameWriter } from './frame-writer.ts';
import type { SpdyFrame } from './frames.ts';
import { MAX_CONTROL_FRAME_BYTES, MAX_HEADER_BLOCK_BYTES, MAX_HEADERS, MAX_SETTINGS } from './limits.ts';

const streamHeaders = new Map([
  ['streamtype', ['stdin']],
  ['port', ['80']],
  ['several', ['a', 'b', '']],
]);

function parse(...chunks: readonly Buffer[]): SpdyFrame[] {
  const parser = new SpdyFrameParser();
  const frames: SpdyFrame[] = [];
  for (const chunk of chunks) {
    parser.push(Buffer.from(chunk));
    for (let frame = parser.next(); frame !== undefined; frame = parser.next()) frames.push(frame);
  }
  return frames;
}

function refuses(bytes: Buffer, message: RegExp): void {
  assert.throws(
    () => parse(bytes),
    (error) => error instanceof ProtocolError && message.test(error.message),
  );
}

function control(type: number, flags: number, body: Buffer, length = body.length): Buffer {
  const header = Buffer.from([0x80, 3, 0, type, flags, 0, 0, 0]);
  header.writeUIntBE(length, 5, 3);
  return Buffer.concat([header, body]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value, i * 4);
  });
  return bytes;
}

/** A SYN_STREAM with any plain header block, compressed as the first of its connection. */
function synStream(block: Buffer): Buffer {
  const zlibHeader = Buffer.of(0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2);
  const deflated = deflateRawSync(block, { finishFlush: constants.Z_SYNC_FLUSH });
  return control(1, 0, Buffer.concat([words(1, 0), Buffer.alloc(2), zlibHeader, deflated]));
}

function headerBlock(pairs: readonly (readonly [string, string])[], count = pairs.length): Buffer {
  return Buffer.concat([
    words(count),
    ...pairs.flatMap(([name, value]) => [
      words(name.length),
      Buffer.from(name),
      words(value.length),
      Buffer.from(value),
    ]),
  ]);
}

test('every frame is read as it was written, also byte by byte', () => {
  const writer = new SpdyFrameWriter();
  const payload = Buffer.from('hello');
  const bytes = Buffer.concat([
    writer.synStream(1, streamHeaders, { fin: true, priority: 3 }),
    writer.synStream(3, new Map(), { unidirectional: true }),
    writer.synReply(1, streamHeaders),
    writer.headers(1, new Map([['x', ['y']]]), true),
    writer.rstStream(5, 5),
    writer.settings([{ id: 7, flags: 1, value: 65_536 }]),
    writer.ping(0xff_ff_ff_ff),
    writer.goaway(7, 1),
    writer.windowUpdate(0, 0x7f_ff_ff_ff),
    writer.dataHeader(0x7f_ff_ff_ff, payload.length, true),
    payload,
    writer.dataHeader(9, 0, false),
  ]);
  const expected: SpdyFrame[] = [
    {
      type: 'syn-stream',
      streamId: 1,
      associatedTo: 0,
      priority: 3,
      fin: true,
      unidirectional: false,
      headers: streamHeaders,
    },
    {
      type: 'syn-stream',
      streamId: 3,
      associatedTo: 0,
      priority: 0,
      fin: false,
      unidirectional: true,
      headers: new Map(),
    },
    { type: 'syn-reply', streamId: 1, fin: false, headers: streamHeaders },
    { type: 'headers', streamId: 1, fin: true, headers: new Map([['x', ['y']]]) },
    { type: 'rst-stream', streamId: 5, status: 5 },
    { type: 'settings', settings: [{ id: 7, flags: 1, value: 65_536 }] },
    { type: 'ping', id: 0xff_ff_ff_ff },
    { type: 'goaway', lastGoodStreamId: 7, status: 1 },
    { type: 'window-update', streamId: 0, delta: 0x7f_ff_ff_ff },
    { type: 'data', streamId: 0x7f_ff_ff_ff, payload, fin: true },
    { type: 'data', streamId: 9, payload: Buffer.alloc(0), fin: false },
  ];
  assert.deepEqual(parse(bytes), expected);
  const pieces = parse(...Array.from(bytes, (byte) => Buffer.of(byte)));
  assert.deepEqual(
    pieces.filter(({ type }) => type !== 'data'),
    expected.filter(({ type }) => type !== 'data'),
  );
  const data = pieces.filter((frame) => frame.type === 'data' && frame.streamId !== 9) as (SpdyFrame & {
    type: 'data';
  })[];
  assert.equal(Buffer.concat(data.map((piece) => piece.payload)).toString(), 'hello');
  assert.deepEqual(
    data.map(({ fin }) => fin),
    [false, false, false, false, true],
  );
});

test('reads what another zlib wrote, whose blocks refer to the dictionary and to each other', async () => {
  const deflate = createDeflate({ dictionary: headerDictionary, level: 9 });
  const parser = new SpdyFrameParser();
  for (const [i, type] of ['error', 'stdin', 'stdout', 'stderr'].entries()) {
    const chunks: Buffer[] = [];
    deflate.on('data', (chunk: Buffer) => chunks.push(chunk));
    deflate.write(
      headerBlock([
        ['streamtype', type],
        ['accept-encoding', 'text/html,image/png'],
      ]),
    );
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    deflate.removeAllListeners('data');
    parser.push(control(1, 0, Buffer.concat([words(2 * i + 1, 0), Buffer.alloc(2), ...chunks])));
    const frame = parser.next();
    assert.ok(frame?.type === 'syn-stream');
    assert.deepEqual(
      [...frame.headers],
      [
        ['streamtype', [type]],
        ['accept-encoding', ['text/html,image/png']],
      ],
    );
  }
});

test("Node's zlib reads what we wrote, block after block", async () => {
  const { createInflate } = await import('node:zlib');
  const writer = new SpdyFrameWriter();
  const inflate = createInflate({ dictionary: headerDictionary });
  for (const id of [1, 3, 5]) {
    const headers = new Map([['streamtype', [`stream ${id}`]]]);
    const chunks: Buffer[] = [];
    inflate.on('data', (chunk: Buffer) => chunks.push(chunk));
    inflate.write(writer.synStream(id, headers).subarray(18));
    await new Promise<void>((resolve) => inflate.flush(constants.Z_SYNC_FLUSH, resolve));
    inflate.removeAllListeners('data');
    assert.deepEqual(Buffer.concat(chunks), headerBlock([['streamtype', `stream ${id}`]]));
  }
});

test('a control frame has at most its limit', () => {
  assert.deepEqual(parse(control(99, 0, Buffer.alloc(MAX_CONTROL_FRAME_BYTES)), control(6, 0, words(1))), [
    { type: 'ping', id: 1 },
  ]);
  // Refused by its header alone: nothing of the body is waited for.
  refuses(control(1, 0, Buffer.alloc(0), MAX_CONTROL_FRAME_BYTES + 1), /more than 65536 bytes/);
  refuses(control(1, 0, Buffer.alloc(0), 0xff_ff_ff), /more than 65536 bytes/);
});

test('a header block inflates to at most its limit', () => {
  const fits = headerBlock([['a', 'x'.repeat(MAX_HEADER_BLOCK_BYTES - 4 - 9)]]);
  assert.equal(fits.length, MAX_HEADER_BLOCK_BYTES);
  assert.equal(parse(synStream(fits)).length, 1);
  refuses(synStream(headerBlock([['a', 'x'.repeat(MAX_HEADER_BLOCK_BYTES - 4 - 8)]])), /more than 65536 bytes/);
  const bomb = synStream(Buffer.alloc(50 * 1024 * 1024));
  assert.ok(bomb.length < MAX_CONTROL_FRAME_BYTES);
  const before = process.memoryUsage.rss();
  refuses(bomb, /more than 65536 bytes/);
  assert.ok(process.memoryUsage.rss() - before < 20 * 1024 * 1024);
});

test('a header block has at most its number of headers', () => {
  const pairs = (n: number) => Array.from({ length: n }, (_, i) => [`h${i}`, ''] as const);
  assert.equal(parse(synStream(headerBlock(pairs(MAX_HEADERS)))).length, 1);
  refuses(synStream(headerBlock(pairs(MAX_HEADERS + 1))), /more than 100 headers/);
  refuses(synStream(headerBlock([], 0xff_ff_ff_ff)), /more than 100 headers/);
});

test('SETTINGS has at most its number of entries', () => {
  const settings = (n: number) => control(4, 0, words(n, ...Array.from({ length: 2 * n }, () => 1)));
  assert.equal(parse(settings(MAX_SETTINGS)).length, 1);
  refuses(settings(MAX_SETTINGS + 1), /more than 32 entries/);
  refuses(control(4, 0, words(0xff_ff_ff_ff)), /more than 32 entries/);
});

for (const [what, bytes, message] of [
  ['another version', Buffer.from('8002000100000000', 'hex'), /version 2/],
  ['HTTP where SPDY should be', Buffer.from('GET / HTTP/1.1\r\nunknown'), /DATA: unknown flags/],
  ['DATA on stream 0', words(0, 0), /stream id 0/],
  ['DATA with unknown flags', words(1, 0x02_00_00_00), /unknown flags/],
  ['SYN_STREAM on stream 0', control(1, 0, Buffer.alloc(10)), /stream id 0/],
  ['SYN_STREAM too short', control(1, 0, words(1)), /length field lies/],
  [
    'SYN_STREAM without a header block',
    control(1, 0, Buffer.concat([words(1, 0), Buffer.alloc(2)])),
    /length field lies/,
  ],
  ['SYN_STREAM with a credential slot', synStream(headerBlock([])).fill(1, 17, 18), /credential slots/],
  ['SYN_STREAM with unknown flags', synStream(headerBlock([])).fill(4, 4, 5), /unknown flags/],
  [
    'a header block without a zlib header',
    control(2, 0, Buffer.concat([words(1), Buffer.alloc(20)])),
    /no zlib header/,
  ],
  [
    'a header block with another dictionary',
    control(2, 0, Buffer.concat([words(1), Buffer.from('78bb00000001', 'hex')])),
    /unknown dictionary/,
  ],
  [
    'a header block that is not flushed',
    control(2, 0, Buffer.concat([words(1), Buffer.from('78bbe3c6a7c2aabb', 'hex')])),
    /not flushed/,
  ],
  [
    'broken compression',
    control(2, 0, Buffer.concat([words(1), Buffer.from('78bbe3c6a7c2ffffffff0000ffff', 'hex')])),
    /broken compression/,
  ],
  ['an upper-case header', synStream(headerBlock([['StreamType', 'x']])), /not lower case/],
  [
    'a header twice',
    synStream(
      headerBlock([
        ['a', ''],
        ['a', ''],
      ]),
    ),
    /occurs twice/,
  ],
  ['a header without a name', synStream(headerBlock([['', 'x']])), /without a name/],
  [
    'a header name length that lies',
    synStream(Buffer.concat([words(1, 0xff_ff_ff_ff), Buffer.from('abc')])),
    /length field lies/,
  ],
  ['fewer headers than counted', synStream(headerBlock([['a', 'b']], 2)), /length field lies/],
  [
    'bytes after the headers',
    synStream(Buffer.concat([headerBlock([['a', 'b']]), Buffer.of(0)])),
    /bytes after the last/,
  ],
  ['RST_STREAM with status 0', control(3, 0, words(1, 0)), /status 0/],
  ['RST_STREAM on stream 0', control(3, 0, words(0, 1)), /stream id 0/],
  ['RST_STREAM too short', control(3, 0, words(1)), /length field lies/],
  ['RST_STREAM too long', control(3, 0, words(1, 1, 1)), /does not match/],
  ['RST_STREAM with flags', control(3, 1, words(1, 1)), /flags/],
  ['SETTINGS that are longer than they say', control(4, 0, words(0, 1, 1)), /does not match/],
  ['SETTINGS that are shorter than they say', control(4, 0, words(2, 1, 1)), /length field lies/],
  ['PING too long', control(6, 0, words(1, 1)), /does not match/],
  ['PING with flags', control(6, 1, words(1)), /flags/],
  ['GOAWAY too short', control(7, 0, words(1)), /length field lies/],
  ['WINDOW_UPDATE of nothing', control(9, 0, words(1, 0)), /delta 0/],
] as const) {
  test(`refuses ${what}`, () => refuses(Buffer.from(bytes), message));
}

test('a DATA frame that lies about its length makes nothing grow', () => {
  const parser = new SpdyFrameParser();
  parser.push(words(1, 0x00_ff_ff_ff));
  parser.push(Buffer.from('abc'));
  assert.deepEqual(parser.next(), { type: 'data', streamId: 1, payload: Buffer.from('abc'), fin: false });
  assert.equal(parser.next(), undefined);
});

test('payloads are slices of what was pushed', () => {
  const parser = new SpdyFrameParser();
  const chunk = Buffer.concat([words(1, 3), Buffer.from('abc')]);
  parser.push(chunk);
  const frame = parser.next();
  assert.ok(frame?.type === 'data');
  assert.equal(frame.payload.buffer, chunk.buffer);
});

test('a writer refuses a DATA frame that its length field cannot hold', () => {
  const writer = new SpdyFrameWriter();
  assert.equal(writer.dataHeader(1, 0xff_ff_ff, false).toString('hex'), '0000000100ffffff');
  assert.throws(() => writer.dataHeader(1, 0x1_00_00_00, false), RangeError);
});
