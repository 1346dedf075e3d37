import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { endsOf, FLAG, FRAME, frame, framesOf, headerBlock, PREFACE, request } from './support/http2-frames.ts';
import { RawConnection } from './support/raw-connection.ts';
import { startTarget, type Target } from './support/target.ts';

/** Frames that no library sends, and more of them than anybody needs. */

let target: Target;

before(async () => {
  target = await startTarget();
});
after(() => target?.close());

function residentMiB(): number {
  const status = readFileSync(`/proc/${target.cluster.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** `known`: with a client certificate. The flood of somebody unknown must not be worse. */
async function open(known = true): Promise<RawConnection> {
  const identity = known ? target.pki.issueClient({ user: 'frames', groups: ['system:masters'] }) : undefined;
  const connection = await RawConnection.tls(target.port, { ...target.tls(identity), ALPNProtocols: ['h2'] });
  return connection.write(PREFACE).write(frame(FRAME.settings, 0, 0));
}

const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';
const u32 = (...values: number[]): Buffer => {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => void buffer.writeUInt32BE(value, i * 4));
  return buffer;
};

describe('frames that break the protocol', { concurrency: true }, () => {
  const headers = FLAG.endHeaders | FLAG.endStream;
  const post = request(CONFIGMAPS, [['content-type', 'application/json']], 'POST');
  const body = Buffer.from('{"metadata":{"name":"smuggled"}}');
  const attacks: readonly [name: string, bytes: Buffer][] = [
    ['a frame longer than was agreed', frame(FRAME.data, 0, 1, Buffer.alloc(1 << 20))],
    ['data on a stream that there is not', frame(FRAME.data, 0, 1, body)],
    ['data on the connection', frame(FRAME.data, 0, 0, body)],
    ['headers on an even stream', frame(FRAME.headers, headers, 2, request('/version'))],
    ['headers on the connection', frame(FRAME.headers, headers, 0, request('/version'))],
    [
      'padding longer than its frame',
      frame(FRAME.headers, headers | FLAG.padded, 1, Buffer.concat([Buffer.from([255]), request('/version')])),
    ],
    ['a header block that cannot be read', frame(FRAME.headers, headers, 1, Buffer.from('ffffffffffffffff', 'hex'))],
    ['an index of no header', frame(FRAME.headers, headers, 1, Buffer.from([0xff, 0xff, 0xff, 0x7f]))],
    ['a table size beyond all bounds', frame(FRAME.headers, headers, 1, Buffer.from([0x3f, 0xff, 0xff, 0xff, 0x7f]))],
    ['a continuation of nothing', frame(FRAME.continuation, FLAG.endHeaders, 1, request('/version'))],
    [
      'another frame between headers',
      Buffer.concat([frame(FRAME.headers, 0, 1, request('/version')), frame(FRAME.ping, 0, 0, Buffer.alloc(8))]),
    ],
    ['settings of a wrong length', frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
    ['a window beyond its limit', frame(FRAME.settings, 0, 0, Buffer.from('0004ffffffff', 'hex'))],
    [
      'window updates beyond their limit',
      Buffer.concat([
        frame(FRAME.windowUpdate, 0, 0, u32(0x7fffffff)),
        frame(FRAME.windowUpdate, 0, 0, u32(0x7fffffff)),
      ]),
    ],
    ['a window update of nothing', frame(FRAME.windowUpdate, 0, 0, u32(0))],
    [
      'a push of the client',
      frame(FRAME.pushPromise, FLAG.endHeaders, 1, Buffer.concat([u32(2), request('/version')])),
    ],
    ['a ping of a wrong length', frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
    [
      'a header name in upper case',
      frame(FRAME.headers, headers, 1, request('/version', [['Authorization', 'Bearer x']])),
    ],
    [
      'a stream that depends on itself',
      Buffer.concat([
        frame(FRAME.headers, 0x20 | headers, 1, Buffer.concat([u32(1), Buffer.from([16]), request('/version')])),
      ]),
    ],
    ['no frames at all', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    [
      'a length that is not true',
      Buffer.concat([
        frame(
          FRAME.headers,
          FLAG.endHeaders,
          1,
          request(
            CONFIGMAPS,
            [
              ['content-type', 'application/json'],
              ['content-length', '5'],
            ],
            'POST',
          ),
        ),
        frame(FRAME.data, FLAG.endStream, 1, body),
      ]),
    ],
    ['two paths', frame(FRAME.headers, headers, 1, request('/version', [[':path', '/livez']]))],
    [
      'a pseudo-header after a header',
      frame(
        FRAME.headers,
        headers,
        1,
        headerBlock([
          [':method', 'GET'],
          ['a', 'b'],
          [':path', '/version'],
          [':scheme', 'https'],
        ]),
      ),
    ],
    [
      'no path',
      frame(
        FRAME.headers,
        headers,
        1,
        headerBlock([
          [':method', 'GET'],
          [':scheme', 'https'],
        ]),
      ),
    ],
    ['a header of HTTP/1.1', frame(FRAME.headers, headers, 1, request('/version', [['transfer-encoding', 'chunked']]))],
    ['a connection header', frame(FRAME.headers, headers, 1, request('/version', [['connection', 'upgrade']]))],
    ['a path with a line break', frame(FRAME.headers, headers, 1, request('/version HTTP/1.1\r\nX: y'))],
    [
      'data after the end',
      Buffer.concat([frame(FRAME.headers, headers, 1, post), frame(FRAME.data, FLAG.endStream, 1, body)]),
    ],
  ];
  for (const [name, bytes] of attacks) {
    it(`${name}: no answer but an error`, async () => {
      const connection = await open();
      connection.write(bytes);
      const answers = () => framesOf(connection).filter((f) => f.type === FRAME.headers);
      // Either the connection or the stream ends, or a request that two could read differently got a 4xx.
      const refused = (): boolean => {
        const { goAway, resets } = endsOf(connection);
        return goAway.some((code) => code !== 0) || resets > 0 || connection.ended || answers().length > 0;
      };
      for (let i = 0; i < 100 && !refused(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
      // Whatever else comes.
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.ok(refused(), `nothing was refused: ${JSON.stringify(framesOf(connection).map((f) => f.type))}`);
      // :status 200 and 201 as HPACK has them: indexed 8, or literal.
      for (const { payload } of answers())
        assert.ok(payload[0] !== 0x88 && !payload.includes('201'), payload.toString('latin1'));
      connection.destroy();
    });
  }
});

describe('a stream whose number was passed over', () => {
  it('has no answer', async () => {
    const connection = await open();
    const headers = FLAG.endHeaders | FLAG.endStream;
    for (const stream of [5, 3, 7]) connection.write(frame(FRAME.headers, headers, stream, request('/version')));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const answered = framesOf(connection).filter((f) => f.type === FRAME.headers);
    assert.ok(!answered.some((f) => f.streamId === 3));
    connection.destroy();
  });
});

describe('a header that HTTP does not know', () => {
  it('reaches nobody, neither whole nor in parts', async () => {
    const block = request('/api/v1/nodes', [
      ['x-one', 'a\r\nimpersonate-user: somebody'],
      ['x-two: impersonate-user', 'somebody'],
    ]);
    const connection = await open();
    connection.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, block));
    // Whoever took one of them for a header would ask as somebody who may not.
    await connection.until(/"kind":"NodeList"/);
    connection.destroy();
  });
});

describe('a flood', () => {
  /** Sends it until the server ends the connection; answers how many bytes it took. */
  async function flood(connection: RawConnection, next: (i: number) => Buffer, atMost: number): Promise<number> {
    let sent = 0;
    for (let i = 0; i < atMost && !connection.ended && connection.socket.writable; i++) {
      const bytes = next(i);
      sent += bytes.length;
      if (!connection.socket.write(bytes)) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            connection.socket.off('drain', done).off('close', done);
            clearTimeout(timer);
            resolve();
          };
          const timer = setTimeout(done, 5_000);
          connection.socket.once('drain', done).once('close', done);
        });
      }
    }
    return sent;
  }

  const headers = FLAG.endHeaders | FLAG.endStream;
  const floods: readonly [name: string, next: (i: number) => Buffer, count: number, ends: boolean][] = [
    [
      'of requests that are reset at once (CVE-2023-44487)',
      (i) =>
        Buffer.concat([
          frame(FRAME.headers, headers, 2 * i + 1, request('/api/v1/pods')),
          frame(FRAME.resetStream, 0, 2 * i + 1, u32(8)),
        ]),
      20_000,
      true,
    ],
    [
      'of requests that the server is made to reset',
      (i) =>
        Buffer.concat([
          frame(FRAME.headers, FLAG.endHeaders, 2 * i + 1, request('/version')),
          frame(FRAME.windowUpdate, 0, 2 * i + 1, u32(0)),
        ]),
      20_000,
      true,
    ],
    [
      'of header lines without end (CVE-2024-27316)',
      (i) =>
        frame(
          i === 0 ? FRAME.headers : FRAME.continuation,
          0,
          1,
          i === 0
            ? request('/version')
            : headerBlock(Array.from({ length: 100 }, (_, n) => [`x-${n}`, 'y'.repeat(100)])),
        ),
      5_000,
      true,
    ],
    [
      'of empty header fragments',
      (i) =>
        frame(i === 0 ? FRAME.headers : FRAME.continuation, 0, 1, i === 0 ? request('/version') : new Uint8Array()),
      100_000,
      true,
    ],
    [
      'of settings (CVE-2019-9515)',
      () => frame(FRAME.settings, 0, 0, Buffer.from('000400010000', 'hex')),
      200_000,
      false,
    ],
    ['of pings (CVE-2019-9512)', (i) => frame(FRAME.ping, 0, 0, u32(i, i)), 200_000, false],
    [
      'of data that is empty (CVE-2019-9518)',
      (i) =>
        i === 0 ? frame(FRAME.headers, FLAG.endHeaders, 1, request(CONFIGMAPS, [], 'POST')) : frame(FRAME.data, 0, 1),
      200_000,
      false,
    ],
    [
      'of priorities (CVE-2019-9513)',
      (i) => frame(FRAME.priority, 0, (2 * i + 1) % 0x7fffffff, Buffer.concat([u32(0), Buffer.from([i % 256])])),
      200_000,
      false,
    ],
  ];

  for (const known of [true, false]) {
    for (const [name, next, count, ends] of floods) {
      it(`${name} ${known ? 'by somebody known' : 'by nobody'} costs the server little, and nobody else anything`, {
        timeout: 60_000,
      }, async () => {
        const before = residentMiB();
        const connection = await open(known);
        const began = Date.now();
        let slowest = 0;
        const flooding = flood(connection, next, count).then((sent) => ({ sent, ms: Date.now() - began }));
        let over = false;
        void flooding.then(() => {
          over = true;
        });
        while (!over) {
          const asked = Date.now();
          await target.alive();
          slowest = Math.max(slowest, Date.now() - asked);
        }
        await flooding;
        if (ends) await connection.closed(10_000);
        connection.destroy();
        assert.ok(slowest < 2_000, `another client waited ${slowest} ms`);
        const grown = residentMiB() - before;
        assert.ok(grown < 150, `${grown.toFixed(0)} MiB more`);
        await target.alive();
      });
    }
  }

  it('of replies that the client does not read is not collected without end', { timeout: 60_000 }, async () => {
    const connection = await open();
    connection.socket.pause();
    const before = residentMiB();
    // A list that is asked for again and again, with a window that is open and nobody who reads.
    connection.write(frame(FRAME.settings, 0, 0, Buffer.from('00047fffffff', 'hex')));
    connection.write(frame(FRAME.windowUpdate, 0, 0, u32(0x7fff0000 - 65_535)));
    for (let i = 0; i < 10_000 && !connection.ended; i++) {
      connection.write(frame(FRAME.headers, headers, 2 * i + 1, request('/openapi/v2')));
      if (i % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const grown = residentMiB() - before;
    connection.destroy();
    assert.ok(grown < 400, `${grown.toFixed(0)} MiB more`);
    await target.alive();
  });
});

describe('after all that', () => {
  it('nothing is stored, and kubectl works', async () => {
    const list = (await target.admin.send(CONFIGMAPS)).json as { items: { metadata: { name: string } }[] };
    assert.deepEqual(
      list.items.map((item) => item.metadata.name),
      ['kube-root-ca.crt'],
    );
    assert.match(await target.cluster.ok(['get', 'nodes']), / Ready /);
  });
});
