import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../lib/errors.ts';
import { ChannelReader } from './channels/channel-reader.ts';
import { ResizeReader } from './channels/resize-reader.ts';
import { SpdyFrameParser } from './spdy/frame-parser.ts';
import { SpdyFrameWriter } from './spdy/frame-writer.ts';
import { WebSocketFrameParser } from './websocket/frame-parser.ts';

const ROUNDS = process.env['CAUSEWAY_SOAK'] === '1' ? 200_000 : 4_000;

/** A small generator (mulberry32), so that a failure can be had again from its seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function mutate(bytes: Buffer, next: (below: number) => number): Buffer {
  let result = Buffer.from(bytes);
  for (let n = next(4); n >= 0; n--) {
    const at = next(result.length + 1);
    switch (next(4)) {
      case 0:
        if (at < result.length) result[at] = next(256);
        break;
      case 1:
        if (at < result.length) result[at]! ^= 1 << next(8);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + next(9))]);
        break;
      default:
        result = Buffer.concat([
          result.subarray(0, at),
          Buffer.from(Array.from({ length: next(9) }, () => next(256))),
          result.subarray(at),
        ]);
    }
  }
  return result;
}

/** Feeds `bytes` in pieces of any size. A codec answers frames that end, or throws `ProtocolError`; nothing else. */
function feed(
  bytes: Buffer,
  next: (below: number) => number,
  push: (chunk: Buffer) => void,
  read: () => unknown,
): number {
  let frames = 0;
  try {
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + next(64);
      push(Buffer.from(bytes.subarray(at, at + size)));
      at += size;
      while (read() !== undefined) {
        frames++;
        assert.ok(frames <= bytes.length + 1, 'more frames than bytes');
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  return frames;
}

const writer = new SpdyFrameWriter();
const spdy = Buffer.concat([
  writer.synStream(1, new Map([['streamtype', ['error']]])),
  writer.settings([{ id: 7, flags: 0, value: 1 }]),
  writer.synStream(
    3,
    new Map([
      ['streamtype', ['data']],
      ['port', ['80']],
      ['requestid', ['0']],
    ]),
  ),
  writer.dataHeader(3, 11, false),
  Buffer.from('hello world'),
  writer.ping(1),
  writer.windowUpdate(3, 100),
  writer.headers(3, new Map([['a', ['b']]])),
  writer.dataHeader(3, 0, true),
  writer.rstStream(1, 5),
  writer.goaway(0, 0),
]);

const webSocket = Buffer.from(
  [
    '8285000000000068656c6c',
    '020400000000ff00ff00',
    '898400000000aabbccdd',
    '808100000000ff',
    '82fe0080000000000102',
    '888200000000',
    '03e8',
  ].join(''),
  'hex',
);

test('the SPDY parser survives whatever comes', () => {
  let frames = 0;
  for (let seed = 0; seed < ROUNDS; seed++) {
    const next = random(seed);
    const parser = new SpdyFrameParser();
    frames += feed(
      mutate(spdy, next),
      next,
      (chunk) => parser.push(chunk),
      () => parser.next(),
    );
  }
  assert.ok(frames > ROUNDS, 'the mutations leave enough of the frames for the test to mean something');
});

test('the WebSocket and channel parsers survive whatever comes', () => {
  let frames = 0;
  for (let seed = 0; seed < ROUNDS; seed++) {
    const next = random(seed);
    const parser = new WebSocketFrameParser();
    const channels = new ChannelReader({ closeSignal: seed % 2 === 0 });
    frames += feed(
      mutate(webSocket, next),
      next,
      (chunk) => parser.push(chunk),
      () => {
        const frame = parser.next();
        if (frame?.type === 'data') channels.read(frame);
        return frame;
      },
    );
  }
  assert.ok(frames > ROUNDS);
});

test('the resize reader survives whatever comes', () => {
  const sizes = Buffer.from('{"Width":80,"Height":24}\n{"Width":100,"Height":50}'.repeat(3));
  for (let seed = 0; seed < ROUNDS; seed++) {
    const next = random(seed);
    const reader = new ResizeReader();
    feed(
      mutate(sizes, next),
      next,
      (chunk) => void reader.read(chunk),
      () => undefined,
    );
  }
});
