import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { duplexPair } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { systemClock } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import { clientTls } from '../../pki/client-tls.ts';
import { fixedCertificate } from '../../pki/issued-certificate.ts';
import { createTlsListener, type TlsListener } from '../../pki/listener.ts';
import { fixedTrust } from '../../pki/trust.ts';
import { limits } from '../limits.ts';
import { testPki } from '../testing/test-pki.ts';
import type { Connection, Exchange } from './exchange.ts';
import { HttpFrontend } from './http-frontend.ts';
import { tlsConnection } from './tls-connection.ts';

let test: Awaited<ReturnType<typeof testPki>>;
let listener: TlsListener;
let frontend: HttpFrontend;
let address: AddressInfo;
let tls: () => ConnectionOptions;
const headersTimeoutMs = 600;
let lastSignal: AbortSignal | undefined;
let lastError: unknown;

async function serve(exchange: Exchange): Promise<void> {
  try {
    const path = exchange.target.split('?')[0];
    if (path === '/echo') {
      const body = await exchange.body(limits.maxBodyBytes);
      exchange.respond(200, { 'content-type': 'text/plain' }, Buffer.from(`${exchange.method} ${body.length}`));
    } else if (path === '/wait') {
      lastSignal = exchange.signal;
      exchange.stream(200, { 'content-type': 'text/plain' }).write(Buffer.from('begun\n'));
    } else if (path === '/refuse') {
      exchange.respond(403, { 'content-type': 'text/plain' }, Buffer.from('no'));
    } else if (path === '/raw') {
      const { socket, head } = exchange.upgrade!.takeOver();
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: ${exchange.upgrade!.protocol}\r\nconnection: upgrade\r\n\r\n`,
      );
      if (head.length > 0) socket.write(head);
      socket.pipe(socket);
    } else {
      exchange.respond(200, { 'content-type': 'text/plain' }, Buffer.from(exchange.connection.certificateState));
    }
  } catch (error) {
    lastError = error;
    exchange.respond(
      error instanceof CausewayError && error.code === 'RequestEntityTooLarge' ? 413 : 400,
      {},
      Buffer.from('bad'),
    );
  }
}

before(async () => {
  test = await testPki();
  const ca = fixedTrust([test.pki.clusterCa.certificatePem]);
  frontend = new HttpFrontend(serve, { headersMs: headersTimeoutMs });
  listener = createTlsListener({
    certificate: fixedCertificate(
      test.pki.issueServing({ commonName: 'kube-apiserver', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }),
    ),
    clientCas: ca,
    clock: systemClock,
    onConnection: (socket, protocol) => frontend.accept(socket, protocol, tlsConnection(socket)),
  });
  address = await listener.listen(0, '127.0.0.1');
  const identity = fixedCertificate(test.pki.issueClient({ user: 'tester', groups: [] }));
  tls = () => clientTls({ ca, identity, server: { name: '127.0.0.1' } });
});

after(async () => {
  frontend.close();
  await listener.close();
  await test.close();
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Record<string, unknown>;
}

function http1(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: Buffer } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        ...tls(),
        host: '127.0.0.1',
        port: address.port,
        path,
        agent: false,
        method: options.method ?? 'GET',
        headers: options.headers ?? {},
      },
      (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
      },
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

function session(): ClientHttp2Session {
  const client = connectHttp2(`https://127.0.0.1:${address.port}`, {
    createConnection: () =>
      connectTls({ ...tls(), host: '127.0.0.1', port: address.port, ALPNProtocols: ['h2'] }) as never,
  });
  client.on('error', () => undefined);
  return client;
}

function http2(client: ClientHttp2Session, headers: Record<string, string>, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = client.request(headers);
    let status = 0;
    let text = '';
    let received: Record<string, unknown> = {};
    stream.on('response', (h) => {
      status = h[':status'] ?? 0;
      received = h;
    });
    stream.on('data', (chunk) => (text += chunk));
    stream.on('end', () => resolve({ status, body: text, headers: received }));
    stream.on('error', (error) => (status === 0 ? reject(error) : resolve({ status, body: text, headers: received })));
    stream.end(body);
  });
}

/** A frame as RFC 9113 §4.1 lays it out. */
function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** A connection on which a test writes its own HTTP/2 frames. */
async function rawHttp2(): Promise<TLSSocket> {
  const socket = connectTls({ ...tls(), host: '127.0.0.1', port: address.port, ALPNProtocols: ['h2'] });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(frame(4, 0, 0, Buffer.alloc(0)));
  socket.resume();
  return socket;
}

describe('HttpFrontend', () => {
  it('serves HTTP/1.1 and HTTP/2 on one port and tells who connected', async () => {
    assert.deepEqual(await http1('/').then((a) => [a.status, a.body]), [200, 'verified']);
    const client = session();
    const answer = await http2(client, { ':path': '/' });
    assert.deepEqual([answer.status, answer.body], [200, 'verified']);
    client.close();
  });

  it('takes a body of exactly the limit and refuses one byte more', async () => {
    const fits = Buffer.alloc(limits.maxBodyBytes);
    const over = Buffer.alloc(limits.maxBodyBytes + 1);
    assert.equal((await http1('/echo', { method: 'POST', body: fits })).body, `POST ${fits.length}`);
    const client = session();
    assert.equal((await http2(client, { ':path': '/echo', ':method': 'POST' }, fits)).body, `POST ${fits.length}`);
    assert.equal((await http2(client, { ':path': '/echo', ':method': 'POST' }, over)).status, 413);
    assert.match(String(lastError), /limit is 3145728/);
    assert.equal((await http2(client, { ':path': '/' })).status, 200, 'the session lives on');
    client.close();
    const declared = await http1('/echo', {
      method: 'POST',
      headers: { 'content-length': String(over.length) },
      body: over,
    }).catch(() => undefined);
    if (declared !== undefined) assert.equal(declared.status, 413);
  });

  it('answers a request whose body it does not read, and takes none of it for the next request', async () => {
    const socket = connectTls({ ...tls(), host: '127.0.0.1', port: address.port });
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(
      'POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 200\r\n\r\nGET /echo HTTP/1.1\r\nhost: x\r\n\r\n',
    );
    await new Promise<void>((resolve) => socket.once('close', resolve));
    assert.match(text, /^HTTP\/1\.1 403 /);
    assert.match(text, /connection: close/i);
    assert.equal(text.match(/HTTP\/1\.1/g)?.length, 1);
  });

  it('starts few requests at once, in their order, and says how many wait', async () => {
    const started: { target: string; waiting: number }[] = [];
    const own = new HttpFrontend(async (exchange) => {
      started.push({ target: exchange.target, waiting: own.waiting });
      exchange.respond(200, {}, Buffer.from('ok'));
    });
    const connection: Connection = {
      remoteAddress: 'test',
      certificateState: 'none',
      peerCertificate: undefined,
      invalidReason: undefined,
      tlsVersion: undefined,
      tlsGroup: undefined,
      cipher: undefined,
      onClose: () => undefined,
    };
    const answers = Array.from({ length: 40 }, async (_, i) => {
      const [client, server] = duplexPair();
      own.accept(server, 'http/1.1', connection);
      client.write(`GET /${i} HTTP/1.1\r\nhost: x\r\n\r\n`);
      return String((await once(client, 'data'))[0]);
    });
    for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 200 /);
    const targets = Array.from({ length: 40 }, (_, i) => `/${i}`);
    assert.deepEqual(
      started.map(({ target }) => target),
      targets,
    );
    assert.deepEqual(
      started.map(({ waiting }) => waiting),
      [...Array(16).fill(24), ...Array(16).fill(8), ...Array(8).fill(0)],
    );
    assert.equal(own.waiting, 0);
    own.close();
  });

  it('refuses a request with two lengths (smuggling)', async () => {
    const socket = connectTls({ ...tls(), host: '127.0.0.1', port: address.port });
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(
      'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n',
    );
    await new Promise<void>((resolve) => socket.once('close', resolve));
    assert.match(text, /^HTTP\/1\.1 400 /);
  });

  it('answers 431 to oversized headers', async () => {
    const socket = connectTls({ ...tls(), host: '127.0.0.1', port: address.port });
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx-big: ${'a'.repeat(limits.maxHeaderBytes)}`);
    await new Promise<void>((resolve) => socket.once('close', resolve));
    assert.match(text, /^HTTP\/1\.1 431 /);
  });

  it('ends an HTTP/1.1 connection whose headers do not come (Slowloris)', { timeout: 30_000 }, async () => {
    const socket = connectTls({ ...tls(), host: '127.0.0.1', port: address.port });
    socket.on('error', () => undefined);
    const begun = Date.now();
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n');
    const drip = setInterval(() => socket.write('x-a: b\r\n'), 50);
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    await new Promise<void>((resolve) => socket.once('close', resolve));
    clearInterval(drip);
    assert.match(text, /^HTTP\/1\.1 408 /);
    const took = Date.now() - begun;
    assert.ok(took >= headersTimeoutMs - 100 && took < headersTimeoutMs + 3_000, `${took} ms`);
  });

  it('aborts the signal when the client goes away, over both protocols', async () => {
    const client = session();
    const stream = client.request({ ':path': '/wait' });
    await new Promise<void>((resolve) => stream.once('data', () => resolve()));
    const signal = lastSignal!;
    assert.equal(signal.aborted, false);
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    stream.close();
    await aborted;
    client.close();

    const request = httpsRequest({ ...tls(), host: '127.0.0.1', port: address.port, path: '/wait', agent: false });
    request.on('error', () => undefined);
    request.end();
    await new Promise<void>((resolve) => request.once('response', (r) => r.once('data', () => resolve())));
    const second = lastSignal!;
    const secondAborted = new Promise<void>((resolve) => second.addEventListener('abort', () => resolve()));
    request.destroy();
    await secondAborted;
  });

  it('hands over an upgraded connection, and answers an upgrade that it does not want as any request', async () => {
    const socket = connectTls({ ...tls(), host: '127.0.0.1', port: address.port });
    socket.write('POST /raw HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\nfirst');
    let text = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.endsWith('first')) resolve();
      });
    });
    assert.match(text, /^HTTP\/1\.1 101 /);
    assert.match(text, /upgrade: SPDY\/3\.1/);
    socket.destroy();
    const refused = connectTls({ ...tls(), host: '127.0.0.1', port: address.port });
    let answer = '';
    refused.on('data', (chunk) => (answer += chunk));
    refused.write('GET /refuse HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    await new Promise<void>((resolve) => refused.once('close', resolve));
    assert.match(answer, /^HTTP\/1\.1 403 [\s\S]*\r\n\r\nno$/);
  });

  it('ends an HTTP/2 connection that resets streams as fast as it opens them (CVE-2023-44487), and serves others', async () => {
    const socket = await rawHttp2();
    const headers = Buffer.concat([
      Buffer.from([0x82, 0x87, 0x04, 5]),
      Buffer.from('/wait'),
      Buffer.from([0x41, 1]),
      Buffer.from('x'),
    ]);
    const cancel = Buffer.from([0, 0, 0, 8]);
    let streams = 0;
    while (!socket.destroyed && streams < 20_000) {
      const burst: Buffer[] = [];
      for (let i = 0; i < 50; i++, streams++) {
        burst.push(frame(1, 0x5, streams * 2 + 1, headers), frame(3, 0, streams * 2 + 1, cancel));
      }
      socket.write(Buffer.concat(burst));
      await new Promise<void>((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(socket.destroyed, 'the connection was ended');
    assert.ok(streams >= limits.streamResetBurst && streams < 4 * limits.streamResetBurst, `${streams} streams`);
    assert.equal((await http1('/')).status, 200);
  });

  it('ends an HTTP/2 connection that sends CONTINUATION frames without end (CVE-2024-27316)', async () => {
    const socket = await rawHttp2();
    // HEADERS without END_HEADERS, then literal header fields for ever.
    const field = Buffer.concat([Buffer.from([0x00, 0x03]), Buffer.from('x-a'), Buffer.from([0x01]), Buffer.from('b')]);
    socket.write(frame(1, 0, 1, field));
    let frames = 0;
    const flood = Buffer.alloc(field.length * 1000, field);
    while (!socket.destroyed && frames < 2_000) {
      for (let i = 0; i < 20; i++, frames++) socket.write(frame(9, 0, 1, flood));
      await new Promise<void>((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(socket.destroyed, `still open after ${frames} frames`);
    assert.equal((await http1('/')).status, 200);
  });

  it('refuses an HTTP/2 request with too many or too large headers, and serves others', async () => {
    const client = session();
    const many = Object.fromEntries(Array.from({ length: limits.maxHeaderPairs + 1 }, (_, i) => [`x-${i}`, 'a']));
    await assert.rejects(http2(client, { ':path': '/', ...many }));
    await assert.rejects(http2(client, { ':path': '/', 'x-big': 'a'.repeat(limits.maxHeaderBytes + 1) }));
    client.destroy();
    assert.equal((await http1('/')).status, 200);
  });

  it('opens no more than the allowed number of streams on one HTTP/2 connection', async () => {
    const client = session();
    await new Promise<void>((resolve) => client.once('remoteSettings', resolve));
    assert.equal(client.remoteSettings.maxConcurrentStreams, limits.maxConcurrentStreams);
    client.destroy();
  });
});
