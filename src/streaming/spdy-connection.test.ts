import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SpdyFrameParser } from '../wire/spdy/frame-parser.ts';
import { SpdyFrameWriter } from '../wire/spdy/frame-writer.ts';
import type { SpdyFrame } from '../wire/spdy/frames.ts';
import { ANNOUNCED_WINDOW_BYTES, MAX_EMPTY_FRAMES, MAX_RESETS_PER_SECOND } from './limits.ts';
import { SpdyConnection, type SpdyConnectionOptions } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-stream.ts';

/** Reads to the end, and leaves the other half open; the consumers of node:stream would destroy the stream. */
async function buffer(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve, reject) => {
    stream.once('end', resolve);
    stream.once('close', () => (stream.readableEnded ? resolve() : reject(new Error('closed before its end'))));
  });
  return Buffer.concat(chunks);
}

async function text(stream: Duplex): Promise<string> {
  return (await buffer(stream)).toString();
}

const noHeaders = new Map<string, readonly string[]>();

interface Pair {
  readonly client: SpdyConnection;
  readonly server: SpdyConnection;
  /** The streams that the server got, in order. */
  accept(): Promise<SpdyStream>;
}

function connectPair(
  options: { client?: Partial<SpdyConnectionOptions>; server?: Partial<SpdyConnectionOptions> } = {},
): Pair {
  const [a, b] = duplexPair();
  const waiting: SpdyStream[] = [];
  let wake = Promise.withResolvers<void>();
  const server = new SpdyConnection(b, {
    role: 'server',
    maxStreams: 100,
    onStream: (stream) => {
      stream.reply();
      waiting.push(stream);
      wake.resolve();
      wake = Promise.withResolvers();
    },
    ...options.server,
  });
  const client = new SpdyConnection(a, { role: 'client', maxStreams: 0, ...options.client });
  return {
    client,
    server,
    accept: async () => {
      while (waiting.length === 0) await wake.promise;
      return waiting.shift()!;
    },
  };
}

/** A server, and a peer that sends bytes of its own making and sees the frames that come back. */
function attack(options: Partial<SpdyConnectionOptions> = {}): {
  readonly server: SpdyConnection;
  readonly socket: Duplex;
  readonly writer: SpdyFrameWriter;
  readonly streams: SpdyStream[];
  readonly frames: SpdyFrame[];
} {
  const [socket, b] = duplexPair();
  const streams: SpdyStream[] = [];
  const frames: SpdyFrame[] = [];
  const parser = new SpdyFrameParser();
  socket.on('data', (chunk: Buffer) => {
    parser.push(chunk);
    for (let frame = parser.next(); frame !== undefined; frame = parser.next()) frames.push(frame);
  });
  socket.on('end', () => socket.end());
  const server = new SpdyConnection(b, {
    role: 'server',
    maxStreams: 3,
    onStream: (stream) => {
      stream.reply();
      streams.push(stream);
    },
    ...options,
  });
  return { server, socket, writer: new SpdyFrameWriter(), streams, frames };
}

test('a stream carries bytes both ways, and each half ends by itself', async () => {
  const { client, server, accept } = connectPair();
  const stream = client.openStream(new Map([['StreamType', ['data']]]));
  const peer = await accept();
  await stream.accepted;
  assert.equal(peer.header('streamtype'), 'data');
  stream.end('question');
  assert.equal(await text(peer), 'question');
  // Our half is closed, the other is still open.
  peer.write('ans');
  await delay(5);
  peer.end('wer');
  assert.equal(await text(stream), 'answer');
  assert.ok(stream.destroyed && peer.destroyed);
  client.destroy();
  await Promise.all([client.closed, server.closed]);
  assert.equal(server.error, undefined);
});

test('data that is sent before the reply, and with FIN in the first frame, arrives', async () => {
  const { server, socket, writer, streams } = attack({ maxStreams: 3, onStream: (stream) => streams.push(stream) });
  socket.write(
    Buffer.concat([
      writer.synStream(1, noHeaders),
      writer.dataHeader(1, 2, true),
      Buffer.from('hi'),
      writer.synStream(3, noHeaders, { fin: true }),
    ]),
  );
  await delay(5);
  assert.equal(await text(streams[0]!), 'hi');
  assert.equal(await text(streams[1]!), '');
  server.destroy();
});

test('16 MB go through both ways at once on each of 3 streams', async () => {
  const { client, server, accept } = connectPair();
  const block = Buffer.alloc(1024 * 1024, 'abcdefgh');
  await Promise.all(
    [0, 1, 2].map(async () => {
      const stream = client.openStream(noHeaders);
      const peer = await accept();
      const received = [buffer(stream), buffer(peer)];
      for (let i = 0; i < 16; i++) {
        for (const end of [stream, peer]) if (!end.write(block)) await once(end, 'drain');
      }
      stream.end();
      peer.end();
      for (const bytes of await Promise.all(received)) {
        assert.equal(bytes.length, 16 * block.length);
        assert.ok(bytes.subarray(-block.length).equals(block));
      }
    }),
  );
  client.destroy();
  await server.closed;
});

test('a consumer that stands still stops the sender, and what waits is bounded', async () => {
  const { client, server, accept } = connectPair();
  const stream = client.openStream(noHeaders);
  const peer = await accept();
  const block = Buffer.alloc(65_536);
  let sent = 0;
  for (let i = 0; i < 1000; i++) {
    sent += block.length;
    if (!stream.write(block) && (await Promise.race([once(stream, 'drain'), delay(50)])) === undefined) break;
  }
  assert.ok(sent < 4 * 1024 * 1024, `${sent} bytes were taken`);
  assert.ok(peer.readableLength <= 1024 * 1024);
  peer.resume();
  await once(stream, 'drain');
  client.destroy();
  await server.closed;
});

test('peers that keep windows: one stream that stands still does not stop another', async () => {
  const { client, server, accept } = connectPair({
    client: { announceWindows: true },
    server: { announceWindows: true },
  });
  await client.ping();
  const slow = client.openStream(noHeaders);
  const slowPeer = await accept();
  slow.write(Buffer.alloc(10 * 1024 * 1024));
  const fast = client.openStream(noHeaders);
  const fastPeer = await accept();
  const received = buffer(fastPeer);
  fast.end(Buffer.alloc(3 * 1024 * 1024));
  assert.equal((await received).length, 3 * 1024 * 1024);
  assert.ok(slowPeer.readableLength <= ANNOUNCED_WINDOW_BYTES + slowPeer.readableHighWaterMark);
  slow.end();
  assert.equal((await buffer(slowPeer)).length, 10 * 1024 * 1024);
  client.destroy();
  await server.closed;
});

test('a stream that ended with much unread does not stop the connection once it was read', async () => {
  const { server, socket, writer, streams } = attack();
  const data = Buffer.alloc(2 * 1024 * 1024);
  const fin = writer.dataHeader(1, 0, true);
  // In one piece, so that the end is known before anything was read.
  socket.write(Buffer.concat([writer.synStream(1, noHeaders), writer.dataHeader(1, data.length, false), data, fin]));
  await delay(20);
  assert.equal((await buffer(streams[0]!)).length, data.length);
  // Our half of the first stream is still open: only the reading of its end makes room.
  assert.ok(!streams[0]!.destroyed);
  socket.write(writer.synStream(3, noHeaders));
  await delay(20);
  assert.equal(streams.length, 2);
  server.destroy();
});

test('peers that keep windows: what is thrown away gives its room back', async () => {
  const { client, server, accept } = connectPair({
    client: { announceWindows: true },
    server: { announceWindows: true },
  });
  await client.ping();
  for (let i = 0; i < 60; i++) {
    const stream = client.openStream(noHeaders);
    stream.on('error', () => undefined);
    const peer = await accept();
    stream.write(Buffer.alloc(1024 * 1024));
    peer.destroy();
    await once(stream, 'close');
  }
  const last = client.openStream(noHeaders);
  last.end(Buffer.alloc(1024 * 1024));
  assert.equal((await buffer(await accept())).length, 1024 * 1024);
  client.destroy();
  await server.closed;
});

test('a stream beyond the limit is refused, and taken when another is gone', async () => {
  const { client, accept } = connectPair({ server: { maxStreams: 2 } });
  const first = client.openStream(noHeaders);
  const second = client.openStream(noHeaders);
  await Promise.all([first.accepted, second.accepted]);
  await assert.rejects(client.openStream(noHeaders).accepted, /reset/);
  first.destroy();
  await accept();
  await delay(5);
  await client.openStream(noHeaders).accepted;
  client.destroy();
});

test('destroying a stream resets it at the other end, and only it', async () => {
  const { client, accept } = connectPair();
  const stream = client.openStream(noHeaders);
  const other = client.openStream(noHeaders);
  const peer = await accept();
  const otherPeer = await accept();
  stream.destroy();
  await once(peer, 'close');
  assert.ok(!peer.readableEnded);
  other.end('x');
  assert.equal(await text(otherPeer), 'x');
  client.destroy();
});

test('pings are answered, also our own', async () => {
  const { server, socket, writer, frames } = attack();
  socket.write(writer.ping(7));
  const answered = server.ping();
  await delay(5);
  assert.deepEqual(frames, [
    { type: 'ping', id: 2 },
    { type: 'ping', id: 7 },
  ]);
  socket.write(writer.ping(2));
  await answered;
  const lost = server.ping();
  server.destroy();
  await assert.rejects(lost, /ended/);
});

test('after GOAWAY open streams go on, and the connection ends with the last', async () => {
  const { server, socket, writer, streams, frames } = attack();
  socket.write(Buffer.concat([writer.synStream(1, noHeaders), writer.goaway(0, 0), writer.synStream(3, noHeaders)]));
  await delay(5);
  assert.equal(streams.length, 1);
  streams[0]!.end('last');
  socket.write(writer.dataHeader(1, 0, true));
  streams[0]!.resume();
  await server.closed;
  assert.deepEqual(
    frames.map(({ type }) => type),
    ['syn-reply', 'rst-stream', 'data', 'data', 'goaway'],
  );
});

test('closing flushes what was written, also to a peer that goes on sending', async () => {
  const written = 5 * 1024 * 1024;
  const listener = createServer((socket) => {
    const connection = new SpdyConnection(socket, {
      role: 'server',
      maxStreams: 1,
      onStream: (stream) => {
        stream.reply();
        stream.end(Buffer.alloc(written));
        stream.once('finish', () => connection.close());
      },
    });
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const socket = connect(listener.address() as { port: number });
  const client = new SpdyConnection(socket, { role: 'client', maxStreams: 0 });
  const stream = client.openStream(noHeaders);
  stream.on('error', () => undefined);
  const flood = setInterval(() => stream.write(Buffer.alloc(65_536)), 1);
  await delay(50);
  let received = 0;
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  await client.closed;
  clearInterval(flood);
  assert.equal(received, written);
  listener.close();
});

test('an idle connection ends, pings or not; one with traffic does not', async () => {
  const { server, socket, writer } = attack({ idleTimeoutMs: 60 });
  const pings = setInterval(() => socket.write(writer.ping(1)), 10);
  await server.closed;
  clearInterval(pings);
  assert.match(String(server.error), /idle/);

  const busy = attack({ idleTimeoutMs: 60 });
  busy.socket.write(busy.writer.synStream(1, noHeaders));
  for (let i = 0; i < 10; i++) {
    busy.socket.write(Buffer.concat([busy.writer.dataHeader(1, 1, false), Buffer.of(1)]));
    await delay(10);
  }
  assert.ok(!busy.socket.destroyed);
  busy.server.destroy();
});

for (const [what, bytes, message] of [
  ['a stream id of the other parity', (w: SpdyFrameWriter) => [w.synStream(2, noHeaders)], /stream id 2 is ours/],
  [
    'a stream id twice',
    (w: SpdyFrameWriter) => [w.synStream(1, noHeaders), w.synStream(1, noHeaders)],
    /used or passed over/,
  ],
  [
    'a stream id that was passed over',
    (w: SpdyFrameWriter) => [w.synStream(5, noHeaders), w.synStream(3, noHeaders)],
    /used or passed over/,
  ],
  ['DATA on a stream that was never opened', (w: SpdyFrameWriter) => [w.dataHeader(1, 0, false)], /never opened/],
  ['DATA on a stream that we never opened', (w: SpdyFrameWriter) => [w.dataHeader(2, 0, false)], /never opened/],
  ['a window that overflows', (w: SpdyFrameWriter) => [w.windowUpdate(0, 0x7f_ff_ff_ff)], /window beyond/],
  [
    'an initial window beyond 2^31',
    (w: SpdyFrameWriter) => [w.settings([{ id: 7, flags: 0, value: 0x80_00_00_00 }])],
    /initial window/,
  ],
  ['what is not SPDY', () => [Buffer.from('GET / HTTP/1.1\r\n\r\n')], /SPDY/],
] as const) {
  test(`${what} ends the connection with GOAWAY`, async () => {
    const { server, socket, writer, frames } = attack();
    socket.write(Buffer.concat(bytes(writer)));
    await server.closed;
    assert.match(String(server.error), message);
    assert.deepEqual((frames.at(-1) as SpdyFrame & { type: 'goaway' }).status, 1);
  });
}

test('DATA after FIN resets that stream only', async () => {
  const { server, socket, writer, streams, frames } = attack();
  socket.write(
    Buffer.concat([
      writer.synStream(1, noHeaders),
      writer.synStream(3, noHeaders),
      writer.dataHeader(1, 0, true),
      writer.dataHeader(1, 1, false),
      Buffer.of(1),
    ]),
  );
  await delay(5);
  assert.deepEqual([streams[0]!.destroyed, streams[1]!.destroyed], [true, false]);
  assert.deepEqual(frames.at(-1), { type: 'rst-stream', streamId: 1, status: 9 });
  server.destroy();
});

test('DATA for a stream that is gone is thrown away', async () => {
  const { server, socket, writer, streams } = attack();
  socket.write(writer.synStream(1, noHeaders));
  await delay(5);
  streams[0]!.destroy();
  await delay(5);
  socket.write(
    Buffer.concat([
      writer.dataHeader(1, 5, true),
      Buffer.from('hello'),
      writer.rstStream(1, 5),
      writer.rstStream(99, 5),
    ]),
  );
  await delay(5);
  assert.ok(!socket.destroyed);
  server.destroy();
});

test('unidirectional streams and streams of streams are refused', async () => {
  const { server, socket, writer, streams, frames } = attack();
  const unidirectional = writer.synStream(1, noHeaders, { unidirectional: true });
  const associated = writer.synStream(3, noHeaders);
  associated.writeUInt32BE(1, 12);
  socket.write(Buffer.concat([unidirectional, associated]));
  await delay(5);
  assert.equal(streams.length, 0);
  assert.deepEqual(frames, [
    { type: 'rst-stream', streamId: 1, status: 3 },
    { type: 'rst-stream', streamId: 3, status: 3 },
  ]);
  server.destroy();
});

test('a stream that is opened and reset at once leaves nothing behind', async () => {
  const { server, socket, writer, streams } = attack({ maxStreams: 1 });
  for (let id = 1; id < 200; id += 2) {
    socket.write(Buffer.concat([writer.synStream(id, noHeaders), writer.rstStream(id, 5)]));
  }
  await delay(20);
  // Each had a place, though only one may be open: the reset gives it back at once.
  assert.equal(streams.length, 100);
  assert.ok(streams.every((stream) => stream.destroyed));
  server.destroy();
});

test('a flood of resets ends the connection', async () => {
  const { server, socket, writer, frames } = attack();
  const reset = writer.rstStream(1, 5);
  // The limit is for one second, and a second may begin in between.
  socket.write(Buffer.concat(Array.from({ length: 2 * MAX_RESETS_PER_SECOND + 1 }, () => reset)));
  await server.closed;
  assert.match(String(server.error), /too many in one second/);
  assert.equal(frames.at(-1)?.type, 'goaway');
});

test('a flood of frames that carry nothing ends the connection at its limit', async () => {
  const { server, socket, writer } = attack();
  const empty = writer.dataHeader(1, 0, false);
  socket.write(
    Buffer.concat([writer.synStream(1, noHeaders), ...Array.from({ length: MAX_EMPTY_FRAMES }, () => empty)]),
  );
  await delay(20);
  assert.ok(!socket.destroyed);
  socket.write(empty);
  await server.closed;
  assert.match(String(server.error), /carry nothing/);
});

test('a peer that pings and never reads is not read any more', async () => {
  const [socket, b] = duplexPair();
  const server = new SpdyConnection(b, { role: 'server', maxStreams: 1 });
  const ping = new SpdyFrameWriter().ping(1);
  const block = Buffer.concat(Array.from({ length: 5000 }, () => ping));
  let taken = 0;
  for (let i = 0; i < 200; i++) {
    taken += block.length;
    if (!socket.write(block) && (await Promise.race([once(socket, 'drain'), delay(30)])) === undefined) break;
  }
  assert.ok(taken < 4 * 1024 * 1024, `${taken} bytes were taken`);
  assert.ok(b.writableLength < 2 * 1024 * 1024);
  server.destroy();
});

test('when the socket breaks, streams close and nobody waits for ever', async () => {
  const { client, server, accept } = connectPair();
  const stream = client.openStream(noHeaders);
  const peer = await accept();
  const reading = buffer(peer);
  reading.catch(() => undefined);
  client.destroy(new Error('broken'));
  await assert.rejects(reading);
  await Promise.all([client.closed, server.closed]);
  assert.ok(stream.destroyed);
  assert.throws(() => client.openStream(noHeaders), /closing/);
});
