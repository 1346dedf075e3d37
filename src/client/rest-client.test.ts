import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestApiserver, type TestApiserver } from '../apiserver/testing/test-apiserver.ts';
import { CausewayError } from '../lib/errors.ts';
import { CONFIG_MAPS, NODES, PODS } from './resources.ts';
import { endsInitialEvents, RestClient } from './rest-client.ts';
import { answer, FakeServer } from './testing/fake-server.ts';
import { credentialsOf, restClient } from './testing/test-client.ts';

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

function configMap(name: string, data: Record<string, string> = {}) {
  return { metadata: { name, namespace: 'default' }, data };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (e: unknown) => e,
  );
  assert.ok(error instanceof CausewayError, String(error));
  return error.code;
}

test('objects: create, get, list, update, patch, status, metadata, delete', async () => {
  const client = restClient(api);
  const created = await client.create(CONFIG_MAPS, configMap('a', { k: '1' }));
  assert.equal(created.data?.['k'], '1');
  assert.notEqual(created.metadata.uid, undefined);
  const updated = await client.update(CONFIG_MAPS, { ...created, data: { k: '2' } });
  assert.equal(updated.data?.['k'], '2');
  const where = { namespace: 'default', name: 'a' };
  const patched = await client.patch(CONFIG_MAPS, where, 'merge', { data: { k: null, l: '3' } });
  assert.deepEqual(patched.data, { l: '3' });
  assert.deepEqual((await client.get(CONFIG_MAPS, 'default', 'a')).data, { l: '3' });
  const meta = await client.getMetadata(CONFIG_MAPS, 'default', 'a');
  assert.equal(meta.kind, 'PartialObjectMetadata');
  assert.equal(meta.metadata.uid, created.metadata.uid);
  assert.equal(meta['data'], undefined);
  const list = await client.list(CONFIG_MAPS, { namespace: 'default', fieldSelector: 'metadata.name=a' });
  assert.equal(list.items.length, 1);
  assert.match(list.resourceVersion, /^\d+$/);
  await client.create(NODES, { metadata: { name: 'n' } });
  const node = await client.patch(NODES, { namespace: '', name: 'n', subresource: 'status' }, 'merge', {
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  assert.equal(node.status?.conditions?.[0]?.status, 'True');
  await client.delete(CONFIG_MAPS, 'default', 'a', { preconditions: { uid: created.metadata.uid ?? '' } });
  assert.equal(await codeOf(client.get(CONFIG_MAPS, 'default', 'a')), 'NotFound');
  await client.create(CONFIG_MAPS, configMap('b'));
  await client.deleteCollection(CONFIG_MAPS, { namespace: 'default' });
  assert.deepEqual((await client.list(CONFIG_MAPS, { namespace: 'default' })).items, []);
  client.close();
});

test('a failing answer is an error with the code, message and details of its Status', async () => {
  const client = restClient(api);
  await assert.rejects(client.get(PODS, 'default', 'none'), {
    name: 'CausewayError',
    code: 'NotFound',
    message: 'pods "none" not found',
    details: { name: 'none', kind: 'pods' },
  });
  await client.create(CONFIG_MAPS, configMap('twice'));
  assert.equal(await codeOf(client.create(CONFIG_MAPS, configMap('twice'))), 'AlreadyExists');
  const stale = { ...configMap('twice'), metadata: { ...configMap('twice').metadata, resourceVersion: '1' } };
  assert.equal(await codeOf(client.update(CONFIG_MAPS, stale)), 'Conflict');
  assert.equal(await codeOf(client.create(CONFIG_MAPS, configMap('Not A Name'))), 'Invalid');
  assert.equal(await codeOf(client.json('GET', '/api/v1/pods?limit=x')), 'BadRequest');
  const nobody = restClient(api, 'nobody');
  assert.equal(await codeOf(nobody.list(PODS)), 'Forbidden');
  for (const c of [client, nobody]) c.close();
});

test('answers that are no Status get a code by their HTTP status', async () => {
  const client = fakeClient();
  const cases: [number, unknown, string][] = [
    [502, '<html>', 'BadGateway'],
    [503, 'null', 'ServiceUnavailable'],
    [500, { reason: 'constructor', message: 7, details: 'x' }, 'InternalError'],
    [418, '[]', 'InternalError'],
    [429, { kind: 'Status', reason: 'TooManyRequests', message: 'm', code: 429 }, 'TooManyRequests'],
    [409, { kind: 'Status', reason: 'AlreadyExists', message: 'm', code: 409 }, 'AlreadyExists'],
    [200, 'not json', 'InternalError'],
    [401, 'Unauthorized', 'Unauthorized'],
  ];
  for (const [status, body, code] of cases) {
    fake.onRequest = (request) => answer(request, status, body);
    assert.equal(await codeOf(client.json('GET', '/')), code, String(status));
  }
  client.close();
});

test('watch: the present state, a bookmark that ends it, then changes; a version that is too old is Expired', async () => {
  const client = restClient(api);
  await client.create(CONFIG_MAPS, configMap('w1'));
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const event of client.watch(CONFIG_MAPS, { namespace: 'default', sendInitialEvents: true }, stop.signal)) {
    seen.push(endsInitialEvents(event) ? 'end' : `${event.type} ${event.object.metadata.name}`);
    if (seen.at(-1) === 'end') await client.delete(CONFIG_MAPS, 'default', 'w1');
    if (event.type === 'DELETED') break;
  }
  assert.deepEqual(seen.slice(-3), ['ADDED w1', 'end', 'DELETED w1']);
  stop.abort();
  await api.store.compact(api.store.revision());
  const old = client.watch(CONFIG_MAPS, { resourceVersion: '1' }, new AbortController().signal);
  assert.equal(await codeOf(old.next()), 'Expired');
  client.close();
});

test('watch: an ERROR event, a line without end, a broken line and a lost connection are errors', async () => {
  const client = fakeClient();
  const forever = new AbortController().signal;
  const watchOf = (write: (request: Parameters<typeof answer>[0]) => void) => {
    fake.onRequest = (request) => {
      request.stream.respond({ ':status': 200 });
      write(request);
    };
    return client.watch(CONFIG_MAPS, { resourceVersion: '5' }, forever);
  };
  const status = { kind: 'Status', reason: 'Expired', message: 'too old', code: 410 };
  const error = watchOf(({ stream }) => stream.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`));
  assert.equal(await codeOf(error.next()), 'Expired');
  const nullError = watchOf(({ stream }) => stream.end('{"type":"ERROR","object":null}\n'));
  assert.equal(await codeOf(nullError.next()), 'InternalError');
  const broken = watchOf(({ stream }) => stream.end('{"type":\n'));
  assert.equal(await codeOf(broken.next()), 'InternalError');
  const cut = watchOf(({ stream, session }) => {
    stream.write('{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n{"type":"ADD');
    setTimeout(() => session.destroy(), 20);
  });
  assert.equal((await cut.next()).value?.object.metadata.name, 'x');
  assert.equal(await codeOf(cut.next()), 'ServiceUnavailable');
  const closed = Promise.withResolvers<void>();
  const endless = watchOf(({ stream }) => {
    stream.on('close', closed.resolve);
    const fill = (): void => {
      while (!stream.destroyed && stream.write(Buffer.alloc(1 << 20, 'x')));
    };
    stream.on('drain', fill);
    fill();
  });
  assert.equal(await codeOf(endless.next()), 'InternalError');
  await closed.promise;
  const left = Promise.withResolvers<void>();
  const early = watchOf(({ stream }) => {
    stream.on('close', left.resolve);
    stream.write('{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n');
  });
  await early.next();
  await early.return();
  await left.promise;
  assert.ok(fake.requests.every((r) => r.path !== '' && !r.path.includes('undefined')));
  client.close();
});
