import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CausewayError } from '../lib/errors.ts';
import { acceptPortForward } from './port-forward.ts';
import { type PortForwardOptions, parsePorts } from './port-forward-options.ts';
import { SpdyConnection } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { readRefusal, readResponseHead } from './testing/response-head.ts';
import { TestWebSocketClient } from './testing/websocket-client.ts';
import { WebSocketTunnelClient } from './testing/websocket-tunnel-client.ts';
import { UpgradeRefused, type UpgradeRequest } from './upgrade.ts';

const noHead = Buffer.alloc(0);

function webSocketRequest(protocol: string | undefined): UpgradeRequest {
  return {
    method: 'GET',
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...(protocol === undefined ? {} : { 'sec-websocket-protocol': protocol }),
    },
  };
}

const spdyRequest: UpgradeRequest = {
  method: 'POST',
  headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'portforward.k8s.io' },
};

/** Answers every byte in upper case, and closes when the client closed its half. Port 1 refuses, port 2 breaks on the first byte. */
function connect(port: number): Promise<Duplex> {
  if (port === 1) return Promise.reject(new CausewayError('BadGateway', 'connection refused'));
  const [near, far] = duplexPair();
  far.on('error', () => undefined);
  if (port === 2) {
    far.once('data', () => near.destroy(new Error('ECONNRESET')));
    return Promise.resolve(near);
  }
  far.on('data', (chunk: Buffer) => {
    if (!far.write(chunk.toString('latin1').toUpperCase(), 'latin1')) {
      far.pause();
      far.once('drain', () => far.resume());
    }
  });
  far.on('end', () => far.end());
  return Promise.resolve(near);
}

const base: PortForwardOptions = { podName: 'web', podUid: 'u-1', ports: [], connect };

interface Session {
  readonly connection: SpdyConnection;
  readonly done: Promise<void>;
  readonly protocol: string | undefined;
}

async function spdy(options: Partial<PortForwardOptions> = {}): Promise<Session> {
  const [socket, serverSocket] = duplexPair();
  const done = acceptPortForward(spdyRequest, serverSocket, noHead, { ...base, ...options });
  const { headers, head } = await readResponseHead(socket);
  const connection = new SpdyConnection(socket, { role: 'client', maxStreams: 0, head });
  return { connection, done, protocol: headers.get('x-stream-protocol-version') };
}

async function tunnel(options: Partial<PortForwardOptions> = {}): Promise<Session> {
  const [socket, serverSocket] = duplexPair();
  const done = acceptPortForward(webSocketRequest('SPDY/3.1+portforward.k8s.io'), serverSocket, noHead, {
    ...base,
    ...options,
  });
  const { headers, head } = await readResponseHead(socket);
  const connection = new SpdyConnection(new WebSocketTunnelClient(socket, head), { role: 'client', maxStreams: 0 });
  return { connection, done, protocol: headers.get('sec-websocket-protocol') };
}

function open(
  connection: SpdyConnection,
  port: number | string,
  requestId: string | undefined,
  types = ['error', 'data'],
): SpdyStream[] {
  return types.map((type) =>
    connection.openStream(
      new Map([
        ['streamType', [type]],
        ['port', [String(port)]],
        ...(requestId === undefined ? [] : [['requestID', [requestId]] as const]),
      ]),
    ),
  );
}

async function read(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (!stream.readableEnded && !stream.destroyed) await Promise.race([once(stream, 'end'), once(stream, 'close')]);
  return Buffer.concat(chunks).toString('latin1');
}

for (const [name, start, protocol] of [
  ['SPDY', spdy, 'portforward.k8s.io'],
  ['SPDY in a WebSocket', tunnel, 'SPDY/3.1+portforward.k8s.io'],
] as const) {
  test(`${name}: bytes go both ways, and each half ends by itself`, async () => {
    const session = await start();
    assert.equal(session.protocol, protocol);
    const [error, data] = open(session.connection, 80, '0');
    error!.end();
    data!.write('hello ');
    assert.equal(String(await once(data!, 'data')), 'HELLO ');
    data!.end('world');
    assert.equal(await read(data!), 'WORLD');
    assert.equal(await read(error!), '');
    session.connection.close();
    await session.done;
  });

  test(`${name}: 50 connections at once, each with 1 MB`, async () => {
    const session = await start();
    const text = 'abcdefghij'.repeat(100_000);
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const [error, data] = open(session.connection, 80, String(i));
        error!.end();
        const answer = read(data!);
        data!.end(`${i} ${text}`);
        assert.ok((await answer) === `${i} ${text}`.toUpperCase());
        assert.equal(await read(error!), '');
      }),
    );
    session.connection.close();
    await session.done;
  });

  test(`${name}: a port that refuses says so on its error stream, and the others go on`, async () => {
    const session = await start();
    const [, good] = open(session.connection, 80, '0');
    const [error, data] = open(session.connection, 1, '1');
    assert.equal(await read(error!), 'error forwarding port 1 to pod web, uid u-1: connection refused');
    assert.equal(await read(data!), '');
    good!.end('x');
    assert.equal(await read(good!), 'X');
    session.connection.close();
    await session.done;
  });
}

test('a connection that breaks is reset, without a message that would end the whole session', async () => {
  const session = await spdy();
  const [error, data] = open(session.connection, 2, '0');
  data!.write('x');
  await once(data!, 'close');
  assert.ok(!data!.readableEnded);
  assert.equal(await read(error!), '');
  session.connection.close();
  await session.done;
});

test('a client that resets its stream closes the connection into the pod', async () => {
  let target: Duplex | undefined;
  const session = await spdy({
    connect: async (port) => {
      target = await connect(port);
      return target;
    },
  });
  const [, data] = open(session.connection, 80, '0');
  data!.write('x');
  await once(data!, 'data');
  data!.destroy();
  await new Promise<void>((resolve) => target!.once('close', resolve));
  session.connection.close();
  await session.done;
});

test('a dial is given up when the client resets its stream, and when it leaves', async () => {
  const aborted: string[] = [];
  const hang = (port: number, signal: AbortSignal): Promise<Duplex> =>
    new Promise((_, reject) =>
      signal.addEventListener('abort', () => {
        aborted.push(String(port));
        reject(new Error('aborted'));
      }),
    );
  const session = await spdy({ connect: hang });
  const [, first] = open(session.connection, 81, '0');
  open(session.connection, 82, '1');
  await delay(10);
  first!.destroy();
  await delay(10);
  assert.deepEqual(aborted, ['81']);
  session.connection.destroy();
  await session.done;
  assert.deepEqual(aborted, ['81', '82']);
});

test('streams without a request id are joined by their ids', async () => {
  const session = await spdy();
  const [, data] = open(session.connection, 80, undefined);
  data!.end('old');
  assert.equal(await read(data!), 'OLD');
  session.connection.close();
  await session.done;
});

test('a stream whose other half does not come is told so', async () => {
  const session = await spdy({ creationTimeoutMs: 30 });
  const [error] = open(session.connection, 80, '7', ['error']);
  assert.equal(await read(error!), '(request=7) timed out waiting for streams');
  const [data] = open(session.connection, 80, '8', ['data']);
  await once(data!, 'close');
  session.connection.close();
  await session.done;
});

test('a second stream of the same kind is reset, and the first told', async () => {
  const session = await spdy();
  const [error, second] = open(session.connection, 80, '7', ['error', 'error']);
  await assert.rejects(second!.accepted);
  assert.equal(
    String(await once(error!, 'data')),
    'error processing stream for request 7: error stream already assigned',
  );
  session.connection.close();
  await session.done;
});

for (const port of ['', '0', '65536', '-1', '80x', '1e3']) {
  test(`a stream for port ${JSON.stringify(port)} is reset`, async () => {
    const session = await spdy();
    for (const stream of open(session.connection, port, '0')) await assert.rejects(stream.accepted);
    session.connection.close();
    await session.done;
  });
}

test('the end signal ends the session and its connections', async () => {
  const end = new AbortController();
  let target: Duplex | undefined;
  const session = await spdy({
    endSignal: end.signal,
    connect: async (port) => {
      target = await connect(port);
      return target;
    },
  });
  const [, data] = open(session.connection, 80, '0');
  data!.write('x');
  await once(data!, 'data');
  end.abort();
  await session.done;
  assert.ok(target!.destroyed);
});

async function channels(
  protocol: string | undefined,
  ports: readonly number[],
): Promise<{ client: TestWebSocketClient; done: Promise<void>; protocol: string | undefined }> {
  const [socket, serverSocket] = duplexPair();
  const done = acceptPortForward(webSocketRequest(protocol), serverSocket, noHead, { ...base, ports });
  const { headers, head } = await readResponseHead(socket);
  return { client: new TestWebSocketClient(socket, head), done, protocol: headers.get('sec-websocket-protocol') };
}

for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io', undefined]) {
  test(`channels (${protocol}): each port has two, announced, and an error on one leaves the others`, async () => {
    const { client, done, protocol: chosen } = await channels(protocol, [8080, 1]);
    assert.ok(chosen === protocol);
    await client.sendChannel(0, 'hello');
    await client.until(() => client.channel(0).length >= 7 && client.channel(3).length > 60);
    assert.equal(client.channel(0).toString('latin1'), '\x90\x1fHELLO');
    assert.equal(client.channel(1).toString('latin1'), '\x90\x1f');
    assert.equal(client.channel(2).toString('latin1'), '\x01\x00');
    assert.equal(
      client.channel(3).toString('latin1'),
      '\x01\x00error forwarding port 1 to pod web, uid u-1: connection refused',
    );
    client.destroy();
    await done;
  });
}

test('channels: v5 ends one half of a connection, and the session ends with the last', async () => {
  const { client, done } = await channels('v5.channel.k8s.io', [80]);
  await client.sendChannel(0, 'bye');
  await client.send(Buffer.of(255, 0));
  await client.until(() => client.received.some(({ type }) => type === 'close'));
  assert.equal(client.channel(0).subarray(2).toString(), 'BYE');
  client.destroy();
  await done;
});

test('channels: before v5 the end of a connection into the pod ends its channel, and what still comes for it is thrown away', async () => {
  const [socket, serverSocket] = duplexPair();
  const short = async (port: number): Promise<Duplex> => {
    if (port !== 81) return connect(port);
    const [near, far] = duplexPair();
    far.resume();
    far.end('short');
    return near;
  };
  const request = webSocketRequest('v4.channel.k8s.io');
  const done = acceptPortForward(request, serverSocket, noHead, { ...base, ports: [81, 80], connect: short });
  const { head } = await readResponseHead(socket);
  const client = new TestWebSocketClient(socket, head);
  await client.until(() => client.channel(0).length >= 7);
  for (let i = 0; i < 40; i++) await client.sendChannel(0, Buffer.alloc(65_536));
  await client.sendChannel(2, 'other');
  await client.until(() => client.channel(2).length >= 7);
  assert.equal(client.channel(2).subarray(2).toString(), 'OTHER');
  client.destroy();
  await done;
});

test('refuses what it does not speak, in the words of Kubernetes', async () => {
  const cases: readonly (readonly [UpgradeRequest, readonly number[], number, string])[] = [
    [{ method: 'GET', headers: {} }, [], 400, 'Upgrade request required'],
    [
      { ...spdyRequest, headers: { ...spdyRequest.headers, 'x-stream-protocol-version': 'x' } },
      [],
      403,
      'unable to upgrade: unable to negotiate protocol: client supports [x], server accepts [portforward.k8s.io]',
    ],
    [
      webSocketRequest('v4.channel.k8s.io'),
      [],
      403,
      'requested protocol(s) are not supported: [v4.channel.k8s.io]; supports [SPDY/3.1+portforward.k8s.io]',
    ],
    [
      webSocketRequest('base64.channel.k8s.io'),
      [80],
      403,
      'requested protocol(s) are not supported: [base64.channel.k8s.io]; supports [SPDY/3.1+portforward.k8s.io v5.channel.k8s.io v4.channel.k8s.io channel.k8s.io] (base64.channel.k8s.io: base64 encoding is not supported)',
    ],
  ];
  for (const [request, ports, status, body] of cases) {
    const [socket, serverSocket] = duplexPair();
    const accepted = acceptPortForward(request, serverSocket, noHead, { ...base, ports });
    const answer = readRefusal(socket);
    await assert.rejects(accepted, UpgradeRefused);
    const refused = await answer;
    assert.deepEqual([refused.status, refused.body], [status, body]);
  }
});

test('ports of a query', () => {
  assert.deepEqual(parsePorts(['80', '443,8080']), [80, 443, 8080]);
  assert.deepEqual(parsePorts([]), []);
  for (const [value, message] of [
    ['', 'query parameter "port" cannot be empty'],
    ['x', 'unable to parse "x" as a port'],
    ['65536', 'unable to parse "65536" as a port'],
    ['80,', 'unable to parse "80," as a port'],
    ['0', 'port "0" must be > 0'],
  ] as const) {
    assert.throws(() => parsePorts([value]), { code: 'BadRequest', message });
  }
  assert.equal(parsePorts([Array.from({ length: 127 }, () => '1').join(',')]).length, 127);
  assert.throws(() => parsePorts([Array.from({ length: 128 }, () => '1').join(',')]), /at most 127 ports/);
});
