import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startTestApiserver, type TestApiserver } from '../apiserver/testing/test-apiserver.ts';
import { CausewayError } from '../lib/errors.ts';
import { type CertificateSource, fixedCertificate, type IssuedCertificate } from '../pki/issued-certificate.ts';
import { NAMESPACES, PODS } from './resources.ts';
import { RestClient } from './rest-client.ts';
import { answer, FakeServer } from './testing/fake-server.ts';
import { credentialsOf, until } from './testing/test-client.ts';

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
let api: TestApiserver;
let fake: FakeServer;

before(async () => {
  process.on('unhandledRejection', note);
  [api, fake] = await Promise.all([startTestApiserver(), FakeServer.start()]);
});

after(async () => {
  await Promise.all([api.close(), fake.close()]);
  process.off('unhandledRejection', note);
  assert.deepEqual(unhandled, []);
});

function fakeClient(): RestClient {
  return new RestClient(fake.url, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (e: unknown) => e,
  );
  assert.ok(error instanceof CausewayError, String(error));
  return error.code;
}

test('a server that is not verified is sent nothing', async () => {
  const other = await FakeServer.start({ ipAddresses: ['127.0.0.2'] });
  const wrongName = new RestClient(other.url, credentialsOf(other.pki.clusterCa.certificatePem), 'test');
  const wrongCa = new RestClient(other.url, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
  for (const client of [wrongName, wrongCa]) {
    assert.equal(await codeOf(client.json('POST', '/secret', { password: 'x' })), 'ServiceUnavailable');
    client.close();
  }
  assert.deepEqual(other.requests, []);
  assert.deepEqual(other.sessions, []);
  await other.close();
  assert.throws(() => new RestClient('http://127.0.0.1:1', credentialsOf(''), 'test'), { code: 'BadRequest' });
});

test('a server that refuses the connection, or says nothing, is unavailable', async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const client = new RestClient(`https://127.0.0.1:${port}`, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
  const abort = new AbortController();
  const waiting = client.json('GET', '/', undefined, abort.signal);
  setTimeout(() => abort.abort(new Error('enough')), 20);
  await assert.rejects(waiting, { message: 'enough' });
  client.close();
  silent.close();
  await once(silent, 'close');
  const refused = new RestClient(`https://127.0.0.1:${port}`, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
  assert.equal(await codeOf(refused.json('GET', '/')), 'ServiceUnavailable');
  refused.close();
});

test('a connection that is lost: requests under way fail, the next ones take a new connection', async () => {
  const client = fakeClient();
  fake.onRequest = (request) => {
    if (request.path === '/hangs') setImmediate(() => request.session.destroy());
    else if (request.path === '/half') {
      request.stream.respond({ ':status': 200, 'content-length': '100' });
      request.stream.write('{"half"');
      setImmediate(() => request.session.destroy());
    } else answer(request, 200, { ok: true });
  };
  const before = fake.sessions.length;
  assert.equal(await codeOf(client.json('GET', '/hangs')), 'ServiceUnavailable');
  assert.equal(await codeOf(client.json('GET', '/half')), 'ServiceUnavailable');
  assert.deepEqual(await client.json('GET', '/fine'), { ok: true });
  assert.equal(fake.sessions.length, before + 3);
  client.close();
});

test('an answer that the server cuts short is an error, never a short body', async () => {
  const client = fakeClient();
  fake.onRequest = (request) => {
    request.stream.respond({ ':status': 200 });
    request.stream.write('{"a":1}');
    request.stream.close(2);
  };
  assert.equal(await codeOf(client.json('GET', '/')), 'ServiceUnavailable');
  client.close();
});

test('a request that the server says it refused is sent again, on another session', async () => {
  const client = fakeClient();
  let refusals = 2;
  fake.onRequest = (request) => {
    if (refusals-- > 0) request.stream.close(7);
    else answer(request, 200, { method: request.method });
  };
  assert.deepEqual(await client.json('POST', '/', {}), { method: 'POST' });
  refusals = 100;
  assert.equal(await codeOf(client.json('POST', '/', {})), 'ServiceUnavailable');
  assert.equal(refusals, 96, 'it gives up');
  client.close();
});

test('a session that the server is closing gets no new requests, and those on it end well', async () => {
  const client = fakeClient();
  const slow = Promise.withResolvers<void>();
  fake.onRequest = (request) => {
    if (request.path !== '/slow') return answer(request, 200, {});
    request.session.close();
    void slow.promise.then(() => answer(request, 200, { slow: true }));
  };
  const before = fake.sessions.length;
  const running = client.json('GET', '/slow');
  await until('the request', () => fake.requests.some((r) => r.path === '/slow'));
  await delay(10);
  await client.json('GET', '/next');
  assert.equal(fake.sessions.length, before + 2);
  slow.resolve();
  assert.deepEqual(await running, { slow: true });
  client.close();
});

test('abort: the reason is thrown, the server sees the stream end, and no listener stays', async () => {
  const client = fakeClient();
  const long = new AbortController();
  fake.onRequest = (request) => answer(request, 200, {});
  for (let i = 0; i < 20; i++) await client.json('GET', '/', undefined, long.signal);
  await until('no listener', () => getEventListeners(long.signal, 'abort').length === 0);

  const closed = Promise.withResolvers<void>();
  fake.onRequest = (request) => request.stream.on('close', closed.resolve);
  const running = client.json('GET', '/', undefined, long.signal);
  await delay(20);
  long.abort(new Error('stop'));
  await assert.rejects(running, { message: 'stop' });
  await closed.promise;
  await assert.rejects(client.json('GET', '/', undefined, long.signal), { message: 'stop' });

  const middle = new AbortController();
  fake.onRequest = (request) => {
    request.stream.respond({ ':status': 200 });
    request.stream.write('{');
    setTimeout(() => middle.abort(new Error('in the middle')), 10);
  };
  await assert.rejects(client.json('GET', '/', undefined, middle.signal), { message: 'in the middle' });
  client.close();
});

test('a closed client fails what is under way and what comes', async () => {
  const client = fakeClient();
  fake.onRequest = () => undefined;
  const running = codeOf(client.json('GET', '/'));
  await delay(20);
  client.close();
  assert.equal(await running, 'ServiceUnavailable');
  assert.equal(await codeOf(client.json('GET', '/')), 'ServiceUnavailable');
  const early = fakeClient();
  const dialling = codeOf(early.json('GET', '/'));
  early.close();
  assert.equal(await dialling, 'ServiceUnavailable');
});

test('more streams than a session allows take a second one, and nothing waits behind the watches', async () => {
  const narrow = await FakeServer.start({ http2: { settings: { maxConcurrentStreams: 3 } } });
  const client = new RestClient(narrow.url, credentialsOf(narrow.pki.clusterCa.certificatePem), 'test');
  const held: (() => void)[] = [];
  narrow.onRequest = (request) => {
    if (request.path === '/held') held.push(() => answer(request, 200, {}));
    else answer(request, 200, {});
  };
  await client.json('GET', '/');
  const waiting = [1, 2, 3, 4].map(() => client.json('GET', '/held'));
  await until('four held requests', () => held.length === 4);
  await client.json('GET', '/');
  assert.equal(narrow.sessions.length, 2);
  for (const release of held) release();
  await Promise.all(waiting);
  client.close();
  await narrow.close();
});

/** A certificate that a test renews. */
class Renewable implements CertificateSource {
  #current: IssuedCertificate;
  readonly listeners = new Set<() => void>();

  constructor(first: IssuedCertificate) {
    this.#current = first;
  }

  current(): IssuedCertificate {
    return this.#current;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  renew(next: IssuedCertificate): void {
    this.#current = next;
    for (const listener of this.listeners) listener();
  }
}

test('a renewed certificate counts from the next request on, and watches that run are not dropped', async () => {
  const identity = new Renewable(api.identity('first', ['system:masters']));
  const client = new RestClient(api.url, credentialsOf(api.pki.clusterCa.certificatePem, identity), 'test');
  const whoami = async (): Promise<string> => {
    const review = await client.json<{ status: { userInfo: { username: string } } }>(
      'POST',
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    );
    return review.status.userInfo.username;
  };
  assert.equal(await whoami(), 'first');
  const stop = new AbortController();
  const { resourceVersion } = await client.list(NAMESPACES);
  const names: string[] = [];
  const watching = (async () => {
    for await (const event of client.watch(NAMESPACES, { resourceVersion }, stop.signal)) {
      names.push(event.object.metadata.name ?? '');
    }
  })();
  await client.create(NAMESPACES, { metadata: { name: 'before-renewal' } });
  await until('the first event', () => names.length === 1);
  identity.renew(api.identity('second', ['system:masters']));
  assert.equal(await whoami(), 'second');
  await client.create(NAMESPACES, { metadata: { name: 'after-renewal' } });
  await until('the second event', () => names.length === 2);
  assert.deepEqual(names, ['before-renewal', 'after-renewal']);
  stop.abort(new Error('done'));
  await assert.rejects(watching, { message: 'done' });
  client.close();
  assert.equal(identity.listeners.size, 0);
});

test('a client with a certificate of a foreign CA is refused', async () => {
  const foreign = fixedCertificate(fake.pki.issueClient({ user: 'admin', groups: ['system:masters'] }));
  const client = new RestClient(api.url, credentialsOf(api.pki.clusterCa.certificatePem, foreign), 'test');
  assert.equal(await codeOf(client.list(PODS)), 'Unauthorized');
  client.close();
});

test('a path that dies silently is noticed, and the next request takes another', { timeout: 60_000 }, async (t) => {
  const sockets: Socket[] = [];
  let frozen = false;
  const relay = createServer((socket) => {
    const target = connect(new URL(fake.url).port as unknown as number, '127.0.0.1');
    sockets.push(socket, target);
    socket.on('data', (data) => frozen || target.write(data));
    target.on('data', (data) => frozen || socket.write(data));
    for (const s of [socket, target]) s.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  const { port } = relay.address() as AddressInfo;
  const client = new RestClient(`https://127.0.0.1:${port}`, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
  t.after(async () => {
    client.close();
    for (const socket of sockets) socket.destroy();
    relay.close();
    await once(relay, 'close');
  });
  fake.onRequest = (request) => {
    if (request.path.includes('watch')) request.stream.respond({ ':status': 200 });
    else answer(request, 200, {});
  };
  await client.json('GET', '/');
  const watching = codeOf(client.watch(PODS, { resourceVersion: '1' }, new AbortController().signal).next());
  while (fake.requests.at(-1)?.path.includes('watch') !== true) await new Promise((resolve) => setImmediate(resolve));
  // One ping is answered, the next one is not.
  t.mock.timers.tick(15_000);
  await new Promise((resolve) => fake.sessions.at(-1)?.once('ping', resolve));
  await new Promise((resolve) => fake.sessions.at(-1)?.ping(resolve));
  frozen = true;
  t.mock.timers.tick(15_000);
  t.mock.timers.tick(9_999);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(fake.sessions.at(-1)?.destroyed, false);
  t.mock.timers.tick(1);
  assert.equal(await watching, 'ServiceUnavailable');
  frozen = false;
  assert.deepEqual(await client.json('GET', '/'), {});
  assert.equal(sockets.length, 4);
});
