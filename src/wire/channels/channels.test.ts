import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../lib/errors.ts';
import type { WebSocketFrame } from '../websocket/frame-parser.ts';
import { portAnnouncement } from './channel-message.ts';
import { type ChannelEvent, ChannelReader } from './channel-reader.ts';
import { MAX_RESIZE_BYTES } from './limits.ts';
import { ResizeReader } from './resize-reader.ts';
import {
  isBase64Protocol,
  negotiate,
  spdyRemoteCommandProtocols,
  webSocketRemoteCommandProtocols,
} from './stream-protocols.ts';

type Piece = WebSocketFrame & { readonly type: 'data' };

function piece(bytes: readonly number[], start = true, end = true): Piece {
  return { type: 'data', kind: 'binary', payload: Buffer.from(bytes), start, end };
}

function read(closeSignal: boolean, ...pieces: readonly Piece[]): (ChannelEvent | undefined)[] {
  const reader = new ChannelReader({ closeSignal });
  return pieces.map((each) => reader.read(each));
}

test('splits messages into channels, whatever pieces they come in', () => {
  assert.deepEqual(
    read(
      true,
      piece([0, 65, 66]),
      piece([], true, false),
      piece([1], false, false),
      piece([67], false, false),
      piece([68], false),
      piece([2, 69]),
    ),
    [
      { type: 'data', channel: 0, payload: Buffer.from('AB') },
      undefined,
      undefined,
      { type: 'data', channel: 1, payload: Buffer.from('C') },
      { type: 'data', channel: 1, payload: Buffer.from('D') },
      { type: 'data', channel: 2, payload: Buffer.from('E') },
    ],
  );
});

test('an empty message, and one with a channel only, say nothing', () => {
  assert.deepEqual(read(true, piece([]), piece([0])), [undefined, undefined]);
});

test('channel 255 is the close signal in v5, and a channel as any other before', () => {
  const close = { type: 'close', channel: 0 };
  assert.deepEqual(read(true, piece([255, 0])), [close]);
  assert.deepEqual(read(true, piece([255], true, false), piece([0], false, false), piece([], false)), [
    undefined,
    undefined,
    close,
  ]);
  assert.deepEqual(read(false, piece([255, 0])), [{ type: 'data', channel: 255, payload: Buffer.of(0) }]);
});

test('refuses text and close signals of another length', () => {
  assert.throws(() => read(true, { ...piece([0, 65]), kind: 'text' }), ProtocolError);
  assert.throws(() => read(true, piece([255])), /2 bytes/);
  assert.throws(() => read(true, piece([255, 0, 0])), /2 bytes/);
  assert.throws(() => read(true, piece([255, 0], true, false), piece([0], false)), /2 bytes/);
});

test('reads sizes, cut anywhere', () => {
  const reader = new ResizeReader();
  assert.deepEqual(reader.read(Buffer.from('{"Width":80,"Height":24}{"Wid')), [{ columns: 80, rows: 24 }]);
  assert.deepEqual(reader.read(Buffer.from('th":65535,"Height":0}\n')), [{ columns: 65_535, rows: 0 }]);
  assert.deepEqual(
    reader.read(Buffer.from('{"Width":1,"Height":2}\n{"Width":3,"Height":4}\n'.repeat(100))).length,
    200,
  );
});

for (const text of [
  '{}',
  '[1]}',
  '{"Width":65536,"Height":1}',
  '{"Width":-1,"Height":1}',
  '{"Width":1.5,"Height":1}',
  '{"Width":"1","Height":1}',
  'null}',
]) {
  test(`refuses the size ${text}`, () => {
    assert.throws(() => new ResizeReader().read(Buffer.from(text)), ProtocolError);
  });
}

test('a size that does not end has at most its limit', () => {
  const reader = new ResizeReader();
  assert.deepEqual(reader.read(Buffer.alloc(MAX_RESIZE_BYTES, ' ')), []);
  assert.throws(() => reader.read(Buffer.from(' ')), /more than 1024 bytes/);
});

test('the first that the client names and the server has is chosen', () => {
  assert.equal(
    negotiate(['v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io'], spdyRemoteCommandProtocols),
    'v4.channel.k8s.io',
  );
  assert.equal(negotiate(['channel.k8s.io', 'v4.channel.k8s.io'], spdyRemoteCommandProtocols), 'channel.k8s.io');
  assert.equal(negotiate(['v4.base64.channel.k8s.io'], webSocketRemoteCommandProtocols), undefined);
  assert.equal(negotiate([], webSocketRemoteCommandProtocols), undefined);
  assert.deepEqual(['base64.channel.k8s.io', 'v4.base64.channel.k8s.io', 'v4.channel.k8s.io'].map(isBase64Protocol), [
    true,
    true,
    false,
  ]);
});

test('a port is announced in little-endian', () => {
  assert.equal(portAnnouncement(8080).toString('hex'), '901f');
});
