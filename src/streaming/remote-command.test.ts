import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acceptRemoteCommand } from './remote-command.ts';
import type { RemoteCommandOptions, RemoteCommandSession } from './remote-command-session.ts';
import { exitStatus, internalErrorStatus } from './remote-command-status.ts';
import { type RemoteProcess, runRemoteCommand } from './run-remote-command.ts';
import { SpdyConnection } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { readRefusal, readResponseHead } from './testing/response-head.ts';
import { TestWebSocketClient } from './testing/websocket-client.ts';
import { UpgradeRefused, type UpgradeRequest } from './upgrade.ts';

const all: RemoteCommandOptions = { stdin: true, stdout: true, stderr: true, tty: false };
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const noHead = Buffer.alloc(0);

function webSocketRequest(protocols: string | undefined, more: Record<string, string> = {}): UpgradeRequest {
  return {
    method: 'GET',
    headers: {
      connection: 'keep-alive, Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': KEY,
      ...(protocols === undefined ? {} : { 'sec-websocket-protocol': protocols }),
      ...more,
    },
  };
}

function spdyRequest(protocols: string | undefined): UpgradeRequest {
  const version = protocols === undefined ? {} : { 'x-stream-protocol-version': protocols };
  return { method: 'POST', headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', ...version } };
}

/** The client's side of a session, whatever the protocol. */
interface Client {
  readonly protocol: string | undefined;
  stdin(text: string | Uint8Array): Promise<void>;
  endStdin(): void;
  resize(text: string): void;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** What came on the error stream, when the session ended. */
  status(): Promise<string>;
  disconnect(): void;
}

type Connect = (options: Partial<RemoteCommandOptions>) => Promise<{ session: RemoteCommandSession; client: Client }>;

function webSocket(protocol: string | undefined): Connect {
  return async (options) => {
    const [socket, serverSocket] = duplexPair();
    const accepted = acceptRemoteCommand(webSocketRequest(protocol), serverSocket, noHead, { ...all, ...options });
    const { status, headers, head } = await readResponseHead(socket);
    assert.equal(status, 101);
    const client = new TestWebSocketClient(socket, head);
    const session = await accepted;
    return {
      session,
      client: {
        protocol: headers.get('sec-websocket-protocol'),
        stdin: (text) => client.sendChannel(0, text),
        endStdin: () => void client.send(Buffer.of(255, 0)),
        resize: (text) => void client.sendChannel(4, text),
        stdout: () => client.channel(1).toString(),
        stderr: () => client.channel(2).toString(),
        status: async () => {
          await client.until(() => client.received.some(({ type }) => type === 'close'));
          assert.deepEqual(client.received.at(-1), { type: 'close', code: 1000 });
          client.destroy();
          return client.channel(3).toString();
        },
        disconnect: () => client.destroy(),
      },
    };
  };
}

async function spdyClient(
  protocols: string,
  options: RemoteCommandOptions,
  types: readonly string[],
): Promise<{
  readonly protocol: string | undefined;
  readonly accepted: Promise<RemoteCommandSession>;
  readonly connection: SpdyConnection;
  readonly streams: Map<string, SpdyStream>;
}> {
  const [socket, serverSocket] = duplexPair();
  const accepted = acceptRemoteCommand(spdyRequest(protocols), serverSocket, noHead, options);
  accepted.catch(() => undefined);
  const { status, headers, head } = await readResponseHead(socket);
  assert.equal(status, 101);
  const connection = new SpdyConnection(socket, { role: 'client', maxStreams: 0, head });
  const streams = new Map(types.map((type) => [type, connection.openStream(new Map([['streamType', [type]]]))]));
  return { protocol: headers.get('x-stream-protocol-version'), accepted, connection, streams };
}

function spdy(protocols: string): Connect {
  return async (options) => {
    const whole = { ...all, ...options };
    const types = ['error', 'stdin', 'stdout', ...(whole.tty ? ['resize'] : ['stderr'])];
    const { protocol, accepted, connection, streams } = await spdyClient(protocols, whole, types);
    const texts = new Map<string, Buffer[]>();
    for (const [type, stream] of streams) {
      texts.set(type, []);
      stream.on('data', (chunk: Buffer) => texts.get(type)!.push(chunk));
    }
    const text = (type: string) => () => Buffer.concat(texts.get(type) ?? []).toString();
    streams.get('error')!.end();
    const stdin = streams.get('stdin')!;
    return {
      session: await accepted,
      client: {
        protocol,
        stdin: async (bytes) => {
          if (!stdin.write(bytes)) await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
        },
        endStdin: () => void stdin.end(),
        resize: (bytes) => void streams.get('resize')!.write(bytes),
        stdout: text('stdout'),
        stderr: text('stderr'),
        status: async () => {
          await connection.closed;
          return text('error')();
        },
        disconnect: () => connection.destroy(),
      },
    };
  };
}

class FakeProcess implements RemoteProcess {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly sizes: string[] = [];
  closed = false;
  readonly #exit = Promise.withResolvers<{ exitCode: number }>();
  readonly exited = this.#exit.promise;

  resize(columns: number, rows: number): void {
    this.sizes.push(`${columns}x${rows}`);
  }

  exit(exitCode: number): void {
    this.stdout.end();
    this.stderr.end();
    this.#exit.resolve({ exitCode });
  }

  /** It ended, and somebody still holds its output open. */
  exitFirst(exitCode: number): void {
    this.#exit.resolve({ exitCode });
  }

  fail(message: string): void {
    this.stdout.end();
    this.stderr.end();
    this.#exit.reject(new Error(message));
  }

  close(): void {
    this.closed = true;
    this.exit(137);
  }
}

const variants: readonly (readonly [name: string, connect: Connect, protocol: string | undefined, json: boolean])[] = [
  ['WebSocket v5', webSocket('v5.channel.k8s.io'), 'v5.channel.k8s.io', true],
  ['WebSocket v4', webSocket('x, v4.channel.k8s.io'), 'v4.channel.k8s.io', true],
  ['WebSocket channel.k8s.io', webSocket('v3.channel.k8s.io,channel.k8s.io'), 'channel.k8s.io', false],
  ['WebSocket that names none', webSocket(undefined), undefined, false],
  ['SPDY v4', spdy('v5.channel.k8s.io, v4.channel.k8s.io, v3.channel.k8s.io'), 'v4.channel.k8s.io', true],
  ['SPDY v3', spdy('v3.channel.k8s.io'), 'v3.channel.k8s.io', false],
  ['SPDY v2', spdy('v2.channel.k8s.io'), 'v2.channel.k8s.io', false],
  ['SPDY v1', spdy('channel.k8s.io'), 'channel.k8s.io', false],
];

for (const [name, connect, protocol, json] of variants) {
  test(`${name}: stdin, stdout, stderr and a status`, async () => {
    const { session, client } = await connect({});
    assert.equal(client.protocol, protocol);
    assert.equal(session.protocol, protocol);
    const process = new FakeProcess();
    const running = runRemoteCommand(session, process, { kind: 'exec' });
    await client.stdin('hello');
    assert.equal(String(await once(process.stdin, 'data')), 'hello');
    process.stdout.write('out');
    process.stderr.write('err');
    process.exit(3);
    const status = await client.status();
    assert.equal(client.stdout(), 'out');
    assert.equal(client.stderr(), 'err');
    assert.equal(
      status,
      json
        ? '{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}'
        : 'command terminated with non-zero exit code: exit status 3',
    );
    await running;
    assert.ok(process.closed);
  });

  test(`${name}: success, and a command that could not be run`, async () => {
    const success = await connect({});
    const process = new FakeProcess();
    const running = runRemoteCommand(success.session, process, { kind: 'exec' });
    process.exit(0);
    assert.equal(await success.client.status(), json ? '{"metadata":{},"status":"Success"}' : '');
    await running;

    const failure = await connect({});
    const failing = new FakeProcess();
    void runRemoteCommand(failure.session, failing, { kind: 'attach' });
    failing.fail('no such container');
    const text = await failure.client.status();
    const message = 'Internal error occurred: error attaching to container: no such container';
    assert.equal(json ? (JSON.parse(text) as { message: string; code: number }).message : text, message);
  });
}

for (const [name, connect] of variants.filter(
  ([variant]) => variant === 'WebSocket v5' || variant.startsWith('SPDY'),
)) {
  test(`${name}: the end of stdin reaches the process, output still comes after it`, async () => {
    const { session, client } = await connect({});
    const process = new FakeProcess();
    void runRemoteCommand(session, process, { kind: 'exec' });
    await client.stdin('all');
    client.endStdin();
    let text = '';
    for await (const chunk of process.stdin) text += String(chunk);
    process.stdout.write(`got ${text}`);
    process.exit(0);
    await client.status();
    assert.equal(client.stdout(), 'got all');
  });

  test(`${name}: a process that closes its stdin does not stop the session`, async () => {
    const { session, client } = await connect({});
    const process = new FakeProcess();
    void runRemoteCommand(session, process, { kind: 'exec' });
    process.stdin.destroy(new Error('EPIPE'));
    for (let i = 0; i < 40; i++) await Promise.race([client.stdin(Buffer.alloc(65_536)), delay(20)]);
    process.stdout.write('done');
    process.exit(0);
    await client.status();
    assert.equal(client.stdout(), 'done');
  });
}

for (const [name, connect] of variants.filter(([variant]) =>
  ['WebSocket v5', 'WebSocket v4', 'SPDY v4', 'SPDY v3'].includes(variant),
)) {
  test(`${name}: the terminal's size reaches the process`, async () => {
    const { session, client } = await connect({ tty: true });
    assert.equal(session.stderr, undefined);
    const process = new FakeProcess();
    void runRemoteCommand(session, process, { kind: 'exec' });
    client.resize('{"Width":80,"Height":24}');
    await delay(10);
    client.resize('{"Width":100,');
    client.resize('"Height":50}');
    await delay(10);
    assert.deepEqual(process.sizes, ['80x24', '100x50']);
    // A broken size ends the sizes, not the session.
    client.resize('{"Width":1}');
    process.stdout.write('alive');
    process.exit(0);
    await client.status();
    assert.equal(client.stdout(), 'alive');
  });
}

for (const [name, connect] of variants) {
  test(`${name}: when the client goes, the process sees the end of its stdin, and is killed after a while`, async () => {
    const { session, client } = await connect({});
    const process = new FakeProcess();
    const running = runRemoteCommand(session, process, { kind: 'exec', disconnectGraceMs: 30 });
    await client.stdin('last words');
    await delay(5);
    client.disconnect();
    let text = '';
    for await (const chunk of process.stdin) text += String(chunk);
    assert.equal(text, 'last words');
    assert.ok(!process.closed);
    await running;
    assert.ok(process.closed);
    assert.ok(session.signal.aborted);
  });
}

for (const [name, connect] of variants) {
  test(`${name}: when the client goes, a process that does not read its stdin is killed all the same`, async () => {
    const { session, client } = await connect({});
    const process = new FakeProcess();
    const running = runRemoteCommand(session, process, { kind: 'exec', disconnectGraceMs: 30 });
    void client.stdin(Buffer.alloc(300_000));
    await delay(20);
    client.disconnect();
    await running;
    assert.ok(process.closed);
  });
}

test('output that comes after the process ended is sent before the status', async () => {
  const { session, client } = await spdy('v4.channel.k8s.io')({});
  const process = new FakeProcess();
  process.exitFirst(0);
  void runRemoteCommand(session, process, { kind: 'exec' });
  await delay(20);
  process.stdout.write('late');
  process.exit(0);
  assert.equal(await client.status(), '{"metadata":{},"status":"Success"}');
  assert.equal(client.stdout(), 'late');
});

test('a credential that ends takes the process with it at once', async () => {
  const end = new AbortController();
  const { session, client } = await webSocket('v5.channel.k8s.io')({ endSignal: end.signal });
  const process = new FakeProcess();
  const running = runRemoteCommand(session, process, { kind: 'exec', endSignal: end.signal });
  const before = performance.now();
  end.abort();
  await client.status();
  await running;
  assert.ok(process.closed && performance.now() - before < 5_000);
});

test('output to a client that does not read is held back', async () => {
  const [socket, serverSocket] = duplexPair();
  const accepted = acceptRemoteCommand(webSocketRequest('v5.channel.k8s.io'), serverSocket, noHead, all);
  await readResponseHead(socket);
  const session = await accepted;
  socket.pause();
  const process = new FakeProcess();
  void runRemoteCommand(session, process, { kind: 'exec' });
  let taken = 0;
  for (let i = 0; i < 1000; i++) {
    taken += 65_536;
    if (
      !process.stdout.write(Buffer.alloc(65_536)) &&
      (await Promise.race([once(process.stdout, 'drain'), delay(30)])) === undefined
    )
      break;
  }
  assert.ok(taken < 2 * 1024 * 1024, `${taken} bytes were taken`);
  socket.destroy();
  process.exit(0);
});

async function refusal(
  request: UpgradeRequest,
  options: RemoteCommandOptions = all,
): Promise<Awaited<ReturnType<typeof readRefusal>>> {
  const [socket, serverSocket] = duplexPair();
  const accepted = acceptRemoteCommand(request, serverSocket, noHead, options);
  const answer = readRefusal(socket);
  await assert.rejects(accepted, (error) => error instanceof UpgradeRefused);
  return answer;
}

test('refuses what it does not speak, in the words of Kubernetes', async () => {
  const spdyNone = await refusal(spdyRequest(undefined));
  assert.deepEqual([spdyNone.status, spdyNone.body], [400, 'unable to upgrade: X-Stream-Protocol-Version is required']);
  const spdyOther = await refusal(spdyRequest('v9.channel.k8s.io, x'));
  assert.equal(spdyOther.status, 403);
  assert.equal(
    spdyOther.body,
    'unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io x], server accepts [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io]',
  );
  assert.equal(
    spdyOther.headers.get('x-accepted-stream-protocol-versions'),
    'v4.channel.k8s.io, v3.channel.k8s.io, v2.channel.k8s.io, channel.k8s.io',
  );
  const base64 = await refusal(webSocketRequest('v4.base64.channel.k8s.io'));
  assert.equal(base64.status, 403);
  assert.equal(
    base64.body,
    'requested protocol(s) are not supported: [v4.base64.channel.k8s.io]; supports [v5.channel.k8s.io v4.channel.k8s.io channel.k8s.io] (v4.base64.channel.k8s.io: base64 encoding is not supported)',
  );
});

for (const [what, request, status] of [
  ['no upgrade', { method: 'GET', headers: {} }, 400],
  [
    'an upgrade that Connection does not name',
    { method: 'GET', headers: { connection: 'close', upgrade: 'websocket' } },
    400,
  ],
  ['an upgrade to h2c', { method: 'GET', headers: { connection: 'upgrade', upgrade: 'h2c' } }, 400],
  ['a WebSocket by POST', { ...webSocketRequest('v5.channel.k8s.io'), method: 'POST' }, 405],
  ['another WebSocket version', webSocketRequest('v5.channel.k8s.io', { 'sec-websocket-version': '8' }), 426],
  ['a malformed key', webSocketRequest('v5.channel.k8s.io', { 'sec-websocket-key': 'short' }), 400],
] as const) {
  test(`refuses ${what}`, async () => {
    assert.equal((await refusal(request)).status, status);
  });
}

test('a client that does not open its streams in time is let go', async () => {
  const options = { ...all, creationTimeoutMs: 30 };
  const { accepted, connection } = await spdyClient('v4.channel.k8s.io', options, ['error', 'stdin', 'stdout']);
  await assert.rejects(accepted, /timed out waiting for client to create streams/);
  await connection.closed;
});

test('a client that leaves before it opened its streams is let go', async () => {
  const { accepted, connection } = await spdyClient('v4.channel.k8s.io', all, ['error']);
  connection.destroy();
  await assert.rejects(accepted, /closed the connection before it created its streams/);
});

test('streams that were not asked for, and second ones, are reset', async () => {
  const { accepted, connection, streams } = await spdyClient('v4.channel.k8s.io', { ...all, stdin: false }, [
    'error',
    'stdin',
    'resize',
    'nonsense',
    'stdout',
    'stderr',
  ]);
  const second = connection.openStream(new Map([['streamtype', ['stdout']]]));
  const nameless = connection.openStream(new Map());
  await accepted;
  for (const refused of [streams.get('stdin')!, streams.get('resize')!, streams.get('nonsense')!, second, nameless]) {
    await assert.rejects(refused.accepted);
  }
  await streams.get('stdout')!.accepted;
  connection.destroy();
});

test('a WebSocket that breaks its protocol is closed with 1002, and the session ends', async () => {
  const [socket, serverSocket] = duplexPair();
  const accepted = acceptRemoteCommand(webSocketRequest('v5.channel.k8s.io'), serverSocket, noHead, all);
  const { head } = await readResponseHead(socket);
  const client = new TestWebSocketClient(socket, head);
  const session = await accepted;
  await client.send(Buffer.of(255, 0, 0));
  await client.until(() => client.received.some(({ type }) => type === 'close'));
  assert.deepEqual(client.received.at(-1), { type: 'close', code: 1002 });
  assert.ok(session.signal.aborted);
  client.destroy();
});

test('data for channels that nobody reads is thrown away', async () => {
  const { session, client } = await webSocket('v4.channel.k8s.io')({ stdin: false });
  assert.equal(session.stdin, undefined);
  for (let i = 0; i < 50; i++) await client.stdin(Buffer.alloc(65_536));
  await session.writeStatus(exitStatus(0));
  void session.close();
  assert.equal(await client.status(), '{"metadata":{},"status":"Success"}');
});

test('the first message tells that the session is open', async () => {
  for (const [options, channel] of [
    [all, 1],
    [{ ...all, stdout: false }, 2],
    [{ ...all, stdout: false, stderr: false }, 3],
  ] as const) {
    const [socket, serverSocket]: [Duplex, Duplex] = duplexPair();
    const accepted = acceptRemoteCommand(webSocketRequest('v4.channel.k8s.io'), serverSocket, noHead, options);
    const { head } = await readResponseHead(socket);
    const client = new TestWebSocketClient(socket, head);
    await accepted;
    await client.until(() => client.received.length > 0);
    assert.deepEqual(client.received[0], { type: 'message', payload: Buffer.of(channel) });
    client.destroy();
  }
});

test('a long message of an error is cut', () => {
  const { message = '' } = internalErrorStatus('x'.repeat(100_000));
  assert.ok(message.length < 5_000);
});
