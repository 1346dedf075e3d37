import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { constants, deflateSync } from 'node:zlib';
import { headerDictionary } from '../../src/wire/spdy/dictionary.ts';
import { SpdyFrameWriter } from '../../src/wire/spdy/frame-writer.ts';
import { controlType } from '../../src/wire/spdy/frames.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { answersIn, RawConnection } from './support/raw-connection.ts';
import { startTarget, type Target } from './support/target.ts';

/** Streams whose frames lie, through the apiserver to the kubelet that ends them. */

let target: Target;

before(async () => {
  target = await startTarget();
  await target.cluster.create(shellPod('victim', WAIT));
  await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/victim', '--timeout=20s']);
});
after(() => target?.close());

const POD = '/api/v1/namespaces/default/pods/victim';
const EXEC = `${POD}/exec?command=cat&stdin=1&stdout=1&stderr=1`;
const FORWARD = `${POD}/portforward?ports=80`;

const UPGRADED = /^HTTP\/1\.1 101 [\s\S]*?\r\n\r\n/;

async function open(head: string): Promise<RawConnection> {
  const tls = target.tls(target.pki.issueClient({ user: 'streams', groups: ['system:masters'] }));
  return (await RawConnection.tls(target.port, tls)).write(head);
}

function webSocketHead(path: string, protocol: string, more = ''): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: ${protocol}\r\n${more}\r\n`
  );
}

function spdyHead(path: string, protocol: string): string {
  return (
    `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n` +
    `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`
  );
}

/** Opens a stream, sends the bytes, and waits until the server has ended it. */
async function attack(head: string, bytes: Uint8Array): Promise<string> {
  const connection = await open(head);
  await connection.until(UPGRADED);
  connection.write(bytes);
  try {
    return await connection.closed(15_000);
  } finally {
    connection.destroy();
  }
}

/** A frame (RFC 6455 §5.2). `length`: what it says of itself, instead of the truth. */
function webSocketFrame(first: number, payload: Uint8Array, options: { mask?: boolean; length?: bigint } = {}): Buffer {
  const { mask = true, length = BigInt(payload.length) } = options;
  const bit = mask ? 0x80 : 0;
  const size =
    length < 126n
      ? Buffer.from([bit | Number(length)])
      : length < 65_536n
        ? Buffer.from([bit | 126, Number(length >> 8n), Number(length & 0xffn)])
        : Buffer.concat([
            Buffer.from([bit | 127]),
            Buffer.from(BigInt.asUintN(64, length).toString(16).padStart(16, '0'), 'hex'),
          ]);
  return Buffer.concat([Buffer.from([first]), size, ...(mask ? [Buffer.alloc(4)] : []), payload]);
}

const FIN_BINARY = 0x82;
const bytes = (...values: number[]): Buffer => Buffer.from(values);

describe('WebSocket frames that lie', { concurrency: true }, () => {
  const attacks: readonly [name: string, frames: Buffer][] = [
    ['without a mask', webSocketFrame(FIN_BINARY, bytes(0, 1), { mask: false })],
    ['of 2^63 bytes', webSocketFrame(FIN_BINARY, bytes(0), { length: 1n << 63n })],
    ['of 2^64 - 1 bytes', webSocketFrame(FIN_BINARY, bytes(0), { length: (1n << 64n) - 1n })],
    ['of 2 GiB', webSocketFrame(FIN_BINARY, bytes(0), { length: 1n << 31n })],
    ['of a kind that there is not', webSocketFrame(0x83, bytes(0))],
    ['with reserved bits', webSocketFrame(0xc2, bytes(0))],
    ['that go on with nothing', webSocketFrame(0x80, bytes(0))],
    ['that begin twice', Buffer.concat([webSocketFrame(0x02, bytes(0)), webSocketFrame(0x02, bytes(0))])],
    ['of control, in parts', webSocketFrame(0x09, bytes(0))],
    ['of control, too long', webSocketFrame(0x89, Buffer.alloc(126))],
    ['that end with no channel', webSocketFrame(FIN_BINARY, bytes(255))],
    ['that close with half a code', webSocketFrame(0x88, bytes(3))],
    ['of HTTP', Buffer.from('GET /pods HTTP/1.1\r\nHost: x\r\n\r\n')],
  ];
  for (const [name, frames] of attacks) {
    it(`${name} end the session`, async () => {
      const said = await attack(webSocketHead(EXEC, 'v5.channel.k8s.io'), frames);
      assert.equal(answersIn(said)[0]?.status, 101);
      assert.ok(!said.includes('PodList'));
    });
  }

  it('of a channel that there is not, or that goes the other way, are passed over, as Kubernetes does', async () => {
    const connection = await open(webSocketHead(EXEC, 'v5.channel.k8s.io'));
    for (const payload of [bytes(77, 1, 2, 3), bytes(1, 65), bytes(255, 99), bytes(3, 1)]) {
      connection.write(webSocketFrame(FIN_BINARY, payload));
    }
    connection.write(webSocketFrame(FIN_BINARY, Buffer.from('\0still here')));
    await target.cluster.until('the echo', async () => connection.text.includes('\x01still here'));
    assert.ok(!connection.text.includes('\x01A'));
    connection.destroy();
  });

  it('that are compressed are not agreed to', async () => {
    const connection = await open(
      webSocketHead(EXEC, 'v5.channel.k8s.io', 'Sec-WebSocket-Extensions: permessage-deflate\r\n'),
    );
    const [head] = await connection.until(UPGRADED);
    assert.ok(!/extensions/i.test(head));
    connection.destroy();
  });

  it('of a subprotocol that there is not are not agreed to', async () => {
    for (const protocol of [
      'v9.channel.k8s.io',
      'x'.repeat(10_000),
      'v5.channel.k8s.io.evil',
      'SPDY/3.1+portforward.k8s.io',
    ]) {
      const connection = await open(webSocketHead(EXEC, protocol));
      const [answer] = answersIn(await connection.closed());
      assert.ok(answer !== undefined && answer.status >= 400, `${protocol.slice(0, 50)}: ${answer?.status}`);
    }
  });

  it('of a size that is not: a window, and the session goes on or ends', async () => {
    for (const text of [
      '{',
      '{"Width":-1,"Height":1e9}',
      '{"Width":"x"}',
      '['.repeat(5_000),
      '{"__proto__":{"Width":1}}',
    ]) {
      const connection = await open(
        webSocketHead(EXEC.replace('stderr=1', 'tty=1').replace('command=cat', 'command=sh'), 'v5.channel.k8s.io'),
      );
      await connection.until(UPGRADED);
      connection.write(webSocketFrame(FIN_BINARY, Buffer.concat([bytes(4), Buffer.from(text)])));
      connection.write(webSocketFrame(FIN_BINARY, bytes(0, 4)));
      await new Promise((resolve) => setTimeout(resolve, 100));
      connection.destroy();
    }
    await target.alive();
  });
});

/** A header block of one name that is `size` bytes of the same letter: zlib makes next to nothing of it. */
function bombBlock(size: number): Buffer {
  const plain = Buffer.alloc(4 + 4 + 1 + 4 + size, 0x61);
  plain.writeUInt32BE(1, 0);
  plain.writeUInt32BE(1, 4);
  plain.writeUInt32BE(size, 9);
  return deflateSync(plain, { dictionary: headerDictionary, finishFlush: constants.Z_SYNC_FLUSH });
}

function control(type: number, flags: number, body: Buffer, length = body.length): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8003, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(length, 5, 3);
  return Buffer.concat([head, body]);
}

function data(stream: number, flags: number, body: Buffer, length = body.length): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(stream, 0);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(length, 5, 3);
  return Buffer.concat([head, body]);
}

describe('SPDY frames that lie', { concurrency: true }, () => {
  const stream = (id: number) => Buffer.concat([Buffer.from([0, 0, 0, id]), Buffer.alloc(6)]);
  const type = (value: string) => new Map([['streamtype', [value]]]);
  const attacks: readonly [name: string, frames: () => Buffer][] = [
    ['of 16 MiB of headers', () => control(controlType.synStream, 0, stream(1), 0xffffff)],
    [
      'of headers that zlib makes a gigabyte of',
      () => control(controlType.synStream, 0, Buffer.concat([stream(1), bombBlock(60 << 20)])),
    ],
    [
      'of headers that are no zlib',
      () => control(controlType.synStream, 0, Buffer.concat([stream(1), Buffer.alloc(40, 0xff)])),
    ],
    [
      'of a header longer than its block',
      () => {
        const plain = Buffer.alloc(12);
        plain.writeUInt32BE(1, 0);
        plain.writeUInt32BE(0x7fffffff, 4);
        return control(
          controlType.synStream,
          0,
          Buffer.concat([
            stream(1),
            deflateSync(plain, { dictionary: headerDictionary, finishFlush: constants.Z_SYNC_FLUSH }),
          ]),
        );
      },
    ],
    [
      'of two billion headers',
      () => {
        const plain = Buffer.alloc(8);
        plain.writeUInt32BE(0x7fffffff, 0);
        return control(
          controlType.synStream,
          0,
          Buffer.concat([
            stream(1),
            deflateSync(plain, { dictionary: headerDictionary, finishFlush: constants.Z_SYNC_FLUSH }),
          ]),
        );
      },
    ],
    ['of version 2', () => Buffer.from('8002000100000000', 'hex')],
    ['too short to be what they are', () => control(controlType.synStream, 0, Buffer.alloc(2))],
    ['of data on no stream', () => data(0, 0, Buffer.alloc(4))],
    [
      'of settings that are more than there are',
      () => control(controlType.settings, 0, Buffer.from('7fffffff0000000400000001', 'hex')),
    ],
    ['with an even number', () => new SpdyFrameWriter().synStream(2, type('stdin'))],
    [
      'with a number twice',
      () => {
        const writer = new SpdyFrameWriter();
        return Buffer.concat([writer.synStream(1, type('error')), writer.synStream(1, type('stdin'))]);
      },
    ],
    [
      'that open a window beyond its limit',
      () => {
        const writer = new SpdyFrameWriter();
        return Buffer.concat([
          writer.synStream(1, type('error')),
          writer.windowUpdate(1, 0x7fffffff),
          writer.windowUpdate(1, 0x7fffffff),
        ]);
      },
    ],
    ['of HTTP', () => Buffer.from('GET /pods HTTP/1.1\r\nHost: x\r\n\r\n')],
  ];
  for (const [name, frames] of attacks) {
    it(`${name} end the session`, async () => {
      const said = await attack(spdyHead(EXEC, 'v4.channel.k8s.io'), frames());
      assert.equal(answersIn(said)[0]?.status, 101);
      assert.ok(!said.includes('PodList'));
    });
  }

  it('for more streams than there are, or for others, are refused one by one', async () => {
    const writer = new SpdyFrameWriter();
    const connection = await open(spdyHead(EXEC, 'v4.channel.k8s.io'));
    await connection.until(UPGRADED);
    connection.write(writer.synStream(1, type('kernel')));
    for (let i = 1; i < 50; i++) connection.write(writer.synStream(2 * i + 1, type('stdin')));
    const answered = (stream: number) =>
      connection.bytes.includes(Buffer.from([0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, stream]));
    await target.cluster.until('RST_STREAM of the first and of the last', async () => answered(1) && answered(99));
    connection.destroy();
  });

  it('in a port-forward end it, however it is wrapped', async () => {
    const lie = control(controlType.synStream, 0, stream(1), 0xffffff);
    await attack(spdyHead(FORWARD, 'portforward.k8s.io'), lie);
    await attack(webSocketHead(FORWARD, 'SPDY/3.1+portforward.k8s.io'), webSocketFrame(FIN_BINARY, lie));
  });
});

describe('a flood on a stream', () => {
  function residentMiB(): number {
    const status = readFileSync(`/proc/${target.cluster.process.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }
  const writer = new SpdyFrameWriter();
  const floods: readonly [name: string, head: string, frames: Buffer, times: number][] = [
    ['of WebSocket pings', webSocketHead(EXEC, 'v5.channel.k8s.io'), webSocketFrame(0x89, Buffer.alloc(125)), 100_000],
    [
      'of empty WebSocket frames',
      webSocketHead(EXEC, 'v5.channel.k8s.io'),
      webSocketFrame(FIN_BINARY, bytes()),
      100_000,
    ],
    [
      'of stdin that nobody reads',
      webSocketHead(EXEC.replace('command=cat', 'command=sleep&command=5'), 'v5.channel.k8s.io'),
      webSocketFrame(FIN_BINARY, Buffer.alloc(32_768)),
      3_000,
    ],
    ['of SPDY pings', spdyHead(EXEC, 'v4.channel.k8s.io'), writer.ping(1), 100_000],
    [
      'of SPDY settings',
      spdyHead(EXEC, 'v4.channel.k8s.io'),
      writer.settings([{ flags: 0, id: 4, value: 1 }]),
      100_000,
    ],
    ['of resets', spdyHead(EXEC, 'v4.channel.k8s.io'), writer.rstStream(1, 1), 100_000],
  ];
  for (const [name, head, frames, times] of floods) {
    it(`${name} is held back or ended, and costs nobody anything`, { timeout: 60_000 }, async () => {
      const before = residentMiB();
      const connection = await open(head);
      await connection.until(UPGRADED);
      // It does not read what comes back.
      connection.socket.pause();
      const many = Buffer.concat(Array.from({ length: 100 }, () => frames));
      let slowest = 0;
      const until = Date.now() + 1_500;
      for (let i = 0; i < times / 100 && Date.now() < until && connection.socket.writable; i++) {
        if (!connection.socket.write(many)) await new Promise((resolve) => setTimeout(resolve, 20));
        if (i % 100 !== 0) continue;
        const asked = Date.now();
        await target.alive();
        slowest = Math.max(slowest, Date.now() - asked);
      }
      const grown = residentMiB() - before;
      connection.destroy();
      assert.ok(slowest < 2_000, `another client waited ${slowest} ms`);
      assert.ok(grown < 150, `${grown.toFixed(0)} MiB more`);
    });
  }
});

describe('after all that', () => {
  it('exec, attach and port-forward work, and no session is left', async () => {
    assert.equal(await target.cluster.ok(['exec', 'victim', '--', 'echo', 'well']), 'well\n');
    const tls = {
      ...target.tls(target.pki.issueKubeletClient({ user: 'system:kube-apiserver', groups: [] })),
      checkServerIdentity: () => undefined,
    };
    await target.cluster.until(
      'the end of every session',
      async () => {
        const kubelet = await RawConnection.tls(target.kubeletPort, tls);
        kubelet.write('GET /metrics HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n');
        const text = await kubelet.closed();
        const open = [...text.matchAll(/^kubelet_streaming_sessions\{[^}]*\} (\d+)$/gm)].map(([, count]) => count);
        return open.length > 0 && open.every((count) => count === '0');
      },
      20_000,
    );
  });
});
