import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { SpdyFrameWriter } from '../../src/wire/spdy/frame-writer.ts';
import { binaryHeader } from '../../src/wire/websocket/frame-writer.ts';
import { RawConnection } from '../hostile/support/raw-connection.ts';
import { startTarget, type Target } from '../hostile/support/target.ts';
import { shellPod, WAIT } from '../support/pods.ts';
import { mutateBytes } from './support/mutate.ts';
import { FUZZ_MS, Random, seedOfRun } from './support/random.ts';

/** Streams of exec, attach and port-forward with some bytes wrong, through the apiserver to the kubelet: they end, and nothing else does. */

const seed = seedOfRun() + 100;
let target: Target;

before(async () => {
  target = await startTarget();
  await target.cluster.create(shellPod('victim', WAIT, { spec: {} }));
  await target.cluster.ok(['wait', '--for=condition=Ready', 'pod/victim', '--timeout=20s']);
});
after(() => target?.close());

const POD = '/api/v1/namespaces/default/pods/victim';
const EXEC = `${POD}/exec?command=cat&stdin=1&stdout=1&stderr=1`;
const TERMINAL = `${POD}/exec?command=cat&stdin=1&stdout=1&tty=1`;
const FORWARD = `${POD}/portforward?ports=1`;

function webSocket(path: string, protocol: string, ...messages: readonly Buffer[]): [head: string, frames: Buffer] {
  const head =
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`;
  const frames = messages.map((message) => {
    // A client masks; a mask of zeros leaves the bytes as they are.
    const header = Buffer.from(binaryHeader(message.length));
    header.writeUInt8(header.readUInt8(1) | 0x80, 1);
    return Buffer.concat([header, Buffer.alloc(4), message]);
  });
  return [head, Buffer.concat(frames)];
}

function spdy(
  path: string,
  protocol: string,
  frames: (writer: SpdyFrameWriter) => readonly Buffer[],
): [head: string, frames: Buffer] {
  const head =
    `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n` +
    `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`;
  return [head, Buffer.concat(frames(new SpdyFrameWriter()))];
}

const text = (channel: number, said: string): Buffer => Buffer.concat([Buffer.from([channel]), Buffer.from(said)]);
const stream = (type: string, port?: string) =>
  new Map([
    ['streamtype', [type]],
    ...(port === undefined ? [] : [['port', [port]] as [string, string[]], ['requestid', ['0']] as [string, string[]]]),
  ]);

function remoteCommand(writer: SpdyFrameWriter): Buffer[] {
  return [
    writer.synStream(1, stream('error')),
    writer.synStream(3, stream('stdin')),
    writer.synStream(5, stream('stdout')),
    writer.synStream(7, stream('stderr')),
    writer.windowUpdate(5, 1000),
    writer.dataHeader(3, 5, false),
    Buffer.from('hello'),
    writer.ping(1),
    writer.dataHeader(3, 0, true),
  ];
}

function forwarding(writer: SpdyFrameWriter): Buffer[] {
  return [
    writer.synStream(1, stream('error', '1')),
    writer.synStream(3, stream('data', '1')),
    writer.dataHeader(3, 5, false),
    Buffer.from('hello'),
    writer.rstStream(3, 5),
    writer.goaway(0, 0),
  ];
}

const corpus: readonly (readonly [head: string, frames: Buffer])[] = [
  webSocket(EXEC, 'v5.channel.k8s.io', text(0, 'hello'), text(255, '\0')),
  webSocket(EXEC, 'v4.channel.k8s.io', text(0, 'hello'), text(0, '')),
  webSocket(TERMINAL, 'v5.channel.k8s.io', text(4, '{"Width":80,"Height":24}'), text(0, 'hello\x04')),
  webSocket(FORWARD, 'v4.channel.k8s.io', text(0, 'hello')),
  webSocket(FORWARD, 'SPDY/3.1+portforward.k8s.io', Buffer.concat(forwarding(new SpdyFrameWriter()))),
  spdy(EXEC, 'v4.channel.k8s.io', remoteCommand),
  spdy(FORWARD, 'portforward.k8s.io', forwarding),
];

describe(`streams, fuzzed with seed ${seed}`, () => {
  it('end, and leave nothing', { timeout: FUZZ_MS + 90_000 }, async () => {
    const random = new Random(seed);
    const end = Date.now() + FUZZ_MS;
    const tls = target.tls(target.pki.issueClient({ user: 'fuzzer', groups: ['system:masters'] }));
    let upgraded = 0;
    let ended = 0;
    const once = async (): Promise<void> => {
      const [head, frames] = random.pick(corpus);
      const connection = await RawConnection.tls(target.port, tls);
      const bytes = mutateBytes(random, frames);
      // Sometimes all at once, sometimes in pieces that cut frames anywhere.
      const cut = random.below(bytes.length + 1);
      connection.write(head);
      await connection.until(/\r\n\r\n/);
      if (/ 101 /.test(connection.text)) upgraded++;
      connection.write(bytes.subarray(0, cut));
      if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, 5));
      connection.write(bytes.subarray(cut));
      for (let i = 0; i < 5 && !connection.ended; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      if (connection.ended) ended++;
      connection.destroy();
    };
    // It is of no use when nothing gets through the door, or nothing is ended; a machine that is busy gets more time.
    const enough = () => upgraded > 50 && ended > 10;
    while (Date.now() < end || (!enough() && Date.now() < end + 60_000))
      await Promise.all(Array.from({ length: 6 }, once));
    assert.ok(enough(), `${upgraded} upgraded, ${ended} ended by the server`);
    await target.alive();
    assert.equal(await target.cluster.ok(['exec', '-i', 'victim', '--', 'cat'], { stdin: 'still well' }), 'still well');
    assert.match(await target.cluster.ok(['get', 'pod', 'victim']), / Running +0 /);
    await target.cluster.until(
      'the end of every command',
      async () => {
        const left = await target.cluster.ok([
          'exec',
          'victim',
          '--',
          'sh',
          '-c',
          // What has ended may wait for whoever takes note of it.
          'grep -lx "Name:.cat" /proc/[0-9]*/status | xargs -r grep -L "^State:.Z" | wc -l',
        ]);
        return Number(left) === 0;
      },
      40_000,
    );
    assert.ok(!/unhandled|uncaught|TypeError|RangeError/i.test(target.cluster.output()), target.cluster.output());
  });
});
