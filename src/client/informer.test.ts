import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfigMap } from '../api/generated/types.ts';
import { startTestApiserver, type TestApiserver } from '../apiserver/testing/test-apiserver.ts';
import { silentLog } from '../lib/log.ts';
import { fixedCertificate } from '../pki/issued-certificate.ts';
import { Informer, InformerFactory } from './informer.ts';
import { CONFIG_MAPS, NAMESPACES } from './resources.ts';
import { RestClient } from './rest-client.ts';
import { CutRelay } from './testing/cut-relay.ts';
import { answer, FakeServer } from './testing/fake-server.ts';
import { credentialsOf, restClient, until } from './testing/test-client.ts';

let api: TestApiserver;
let admin: RestClient;

before(async () => {
  api = await startTestApiserver();
  admin = restClient(api);
});

after(async () => {
  admin.close();
  await api.close();
});

function configMap(name: string, value = '', namespace = 'default'): ConfigMap {
  return { metadata: { name, namespace }, data: { value } };
}

/** An informer that runs until the test ends, and what its handlers were told. */
function follow(t: TestContext, client: RestClient, query: { namespace?: string; metadataOnly?: boolean } = {}) {
  const informer = new Informer(client, CONFIG_MAPS, query, silentLog);
  const told: string[] = [];
  informer.handle({
    added: (o) => told.push(`+${o.metadata.name}=${o.data?.['value']}`),
    updated: (o, old) => told.push(`~${o.metadata.name}=${old.data?.['value']}>${o.data?.['value']}`),
    deleted: (o) => told.push(`-${o.metadata.name}=${o.data?.['value']}`),
  });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  return { informer, told };
}

async function newNamespace(name: string): Promise<string> {
  await admin.create(NAMESPACES, { metadata: { name } });
  return name;
}

test('the present state, then every change, in order', async (t) => {
  const namespace = await newNamespace('plain');
  await admin.create(CONFIG_MAPS, configMap('a', '1', namespace));
  const { informer, told } = follow(t, admin, { namespace });
  assert.equal(informer.isSynced, false);
  await informer.synced();
  assert.equal(informer.isSynced, true);
  assert.deepEqual(told, ['+a=1']);
  const b = await admin.create(CONFIG_MAPS, configMap('b', '1', namespace));
  await admin.update(CONFIG_MAPS, configMap('a', '2', namespace));
  await until('the update', () => told.length === 3);
  assert.equal(informer.hasSeen(b.metadata.resourceVersion), true);
  assert.equal(informer.get(namespace, 'a')?.data?.['value'], '2');
  const late: string[] = [];
  informer.handle({ added: (o) => late.push(o.metadata.name ?? '') });
  assert.deepEqual(late.sort(), ['a', 'b']);
  await admin.delete(CONFIG_MAPS, namespace, 'a');
  await until('the deletion', () => told.length === 4);
  assert.deepEqual(told, ['+a=1', '+b=1', '~a=1>2', '-a=2']);
  assert.deepEqual(
    informer.list(namespace).map((o) => o.metadata.name),
    ['b'],
  );
  assert.deepEqual(informer.list('elsewhere'), []);
});

test('connections that break lose no change and repeat none', { timeout: 60_000 }, async (t) => {
  const namespace = await newNamespace('broken');
  const relay = await CutRelay.start(api.url);
  const identity = fixedCertificate(api.identity('admin', ['system:masters']));
  const client = new RestClient(relay.url, credentialsOf(api.pki.clusterCa.certificatePem, identity), 'test');
  t.after(async () => {
    client.close();
    await relay.close();
  });
  const { informer, told } = follow(t, client, { namespace });
  await informer.synced();
  let writing = true;
  const cutting = (async () => {
    while (writing) {
      await delay(30);
      relay.cut();
    }
  })();
  for (let i = 1; i <= 150; i++) {
    if (i === 1) await admin.create(CONFIG_MAPS, configMap('x', '1', namespace));
    else await admin.update(CONFIG_MAPS, configMap('x', String(i), namespace));
    await delay(3);
  }
  writing = false;
  await cutting;
  await until('the last change', () => informer.get(namespace, 'x')?.data?.['value'] === '150');
  assert.deepEqual(told, ['+x=1', ...Array.from({ length: 149 }, (_, i) => `~x=${i + 1}>${i + 2}`)]);
});

test('a version that is forgotten: the state is compared, and who went meanwhile is told with the last state seen', async (t) => {
  const namespace = await newNamespace('forgotten');
  const relay = await CutRelay.start(api.url);
  const identity = fixedCertificate(api.identity('admin', ['system:masters']));
  const client = new RestClient(relay.url, credentialsOf(api.pki.clusterCa.certificatePem, identity), 'test');
  t.after(async () => {
    client.close();
    await relay.close();
  });
  for (const name of ['gone', 'kept', 'changed', 'replaced']) {
    await admin.create(CONFIG_MAPS, configMap(name, 'old', namespace));
  }
  const { informer, told } = follow(t, client, { namespace });
  await informer.synced();
  told.length = 0;
  relay.blocked = true;
  relay.cut();
  await admin.delete(CONFIG_MAPS, namespace, 'gone');
  await admin.update(CONFIG_MAPS, configMap('changed', 'new', namespace));
  await admin.delete(CONFIG_MAPS, namespace, 'replaced');
  await admin.create(CONFIG_MAPS, configMap('replaced', 'new', namespace));
  await admin.create(CONFIG_MAPS, configMap('fresh', 'new', namespace));
  // More changes than the apiserver remembers by itself, and none in its store.
  for (let i = 0; i < 1100; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, j) => admin.create(CONFIG_MAPS, configMap(`filler-${i + j}`))));
  }
  await api.store.compact(api.store.revision());
  relay.blocked = false;
  await until('the new state', () => told.length >= 5);
  await delay(20);
  assert.deepEqual(told.toSorted(), ['+fresh=new', '+replaced=new', '-gone=old', '-replaced=old', '~changed=old>new']);
  assert.ok(told.indexOf('-replaced=old') < told.indexOf('+replaced=new'));
});

test('a handler that throws stops neither the others nor the watch', async (t) => {
  const namespace = await newNamespace('throwing');
  const errors: string[] = [];
  const log = { ...silentLog, error: (message: string) => void errors.push(message) };
  const informer = new Informer(admin, CONFIG_MAPS, { namespace }, log);
  const told: string[] = [];
  informer.handle({
    added: () => {
      throw new Error('broken');
    },
  });
  informer.handle({ added: (o) => told.push(o.metadata.name ?? '') });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  t.after(() => {
    stop.abort();
    return running;
  });
  await informer.synced();
  await admin.create(CONFIG_MAPS, configMap('a', '', namespace));
  await admin.create(CONFIG_MAPS, configMap('b', '', namespace));
  await until('both', () => told.length === 2);
  assert.deepEqual(told, ['a', 'b']);
  assert.deepEqual(errors, ['a handler of configmaps failed', 'a handler of configmaps failed']);
});

test('metadata only, and only what is kept of it', async (t) => {
  const namespace = await newNamespace('partial');
  await admin.create(CONFIG_MAPS, { ...configMap('a', 'secret', namespace), immutable: true });
  const keep = (o: ConfigMap): ConfigMap => {
    const { name, namespace: ns, uid, resourceVersion } = o.metadata;
    return { metadata: { name, namespace: ns, uid, resourceVersion } as ConfigMap['metadata'] };
  };
  const informer = new Informer(admin, CONFIG_MAPS, { namespace, metadataOnly: true }, silentLog, { keep });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  t.after(() => {
    stop.abort();
    return running;
  });
  await informer.synced();
  assert.deepEqual(Object.keys(informer.get(namespace, 'a') ?? {}), ['metadata']);
  assert.equal(informer.get(namespace, 'a')?.metadata.labels, undefined);
});

const ENDED = {
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion: '10', annotations: { 'k8s.io/initial-events-end': 'true' } } },
};

test('a bookmark moves the version from which a broken watch goes on', async (t) => {
  const fake = await FakeServer.start();
  const client = new RestClient(fake.url, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
  t.after(async () => {
    client.close();
    await fake.close();
  });
  fake.onRequest = ({ stream, path }) => {
    stream.respond({ ':status': 200 });
    const from = new URL(path, fake.url).searchParams.get('resourceVersion');
    if (from === null) stream.write(`${JSON.stringify(ENDED)}\n`);
    if (from === '10') {
      stream.write('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"25"}}}\n');
    }
    if (from !== '25') setTimeout(() => stream.close(2), 20);
  };
  const { informer } = follow(t, client);
  await informer.synced();
  await until('the third watch', () => fake.requests.length >= 3);
  const queries = fake.requests.map(({ path }) => new URL(path, fake.url).searchParams);
  assert.deepEqual(
    queries.map((q) => [q.get('resourceVersion'), q.get('sendInitialEvents'), q.get('resourceVersionMatch')]),
    [
      [null, 'true', 'NotOlderThan'],
      ['10', null, null],
      ['25', null, null],
    ],
  );
  assert.ok(queries.every((q) => q.get('allowWatchBookmarks') === 'true' && Number(q.get('timeoutSeconds')) >= 300));
});

test('a state that is cut short is never taken for the whole state', async (t) => {
  const fake = await FakeServer.start();
  const client = new RestClient(fake.url, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
  t.after(async () => {
    client.close();
    await fake.close();
  });
  const added = (name: string) =>
    `${JSON.stringify({ type: 'ADDED', object: { metadata: { name, namespace: 'default', uid: name, resourceVersion: '5' } } })}\n`;
  fake.onRequest = ({ stream }) => {
    stream.respond({ ':status': 200 });
    stream.write(added('a'));
    if (fake.requests.length === 1) stream.end();
    else stream.write(`${added('b')}${JSON.stringify(ENDED)}\n`);
  };
  const { informer, told } = follow(t, client);
  await until('the second attempt', () => fake.requests.length === 1);
  assert.deepEqual(told, []);
  await informer.synced();
  assert.deepEqual(
    informer.list().map((o) => o.metadata.name),
    ['a', 'b'],
  );
});

test('a server that ends, refuses or forgets every watch is not asked in a loop', async (t) => {
  const fake = await FakeServer.start();
  const client = new RestClient(fake.url, credentialsOf(fake.pki.clusterCa.certificatePem), 'test');
  t.after(async () => {
    client.close();
    await fake.close();
  });
  let mode = 0;
  fake.onRequest = (request) => {
    const { stream, path } = request;
    if (mode === 1) return answer(request, 403, { kind: 'Status', reason: 'Forbidden', code: 403 });
    if (mode === 2) return answer(request, 410, { kind: 'Status', reason: 'Expired', code: 410 });
    stream.respond({ ':status': 200 });
    if (path.includes('sendInitialEvents')) stream.write(`${JSON.stringify(ENDED)}\n`);
    stream.end();
  };
  const { informer } = follow(t, client);
  let refusals = 0;
  informer.handle({ refused: () => refusals++ });
  await informer.synced();
  for (mode = 0; mode < 3; mode++) {
    const start = fake.requests.length;
    await delay(400);
    assert.equal(refusals > 0, mode > 0, `${refusals} refusals in mode ${mode}`);
    assert.ok(fake.requests.length - start < 15, `${fake.requests.length - start} requests in mode ${mode}`);
  }
});

test('the factory shares one informer for each resource and query, and starts them all', async () => {
  const client = restClient(api);
  const factory = new InformerFactory(client, silentLog);
  const all = factory.for(CONFIG_MAPS);
  assert.equal(factory.for(CONFIG_MAPS), all);
  assert.notEqual(factory.for(CONFIG_MAPS, { namespace: 'default' }), all);
  const stop = new AbortController();
  await factory.start(stop.signal);
  assert.equal(all.isSynced, true);
  stop.abort();
  const nobody = restClient(api, 'nobody');
  const never = new InformerFactory(nobody, silentLog);
  const nothing = never.for(CONFIG_MAPS);
  const soon = new AbortController();
  setTimeout(() => soon.abort(), 50);
  await never.start(soon.signal);
  assert.equal(nothing.isSynced, false);
  for (const c of [client, nobody]) c.close();
});
