import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import type { TestAnswer, TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;
const secrets = '/api/v1/namespaces/default/secrets';
const all = '/api/v1/secrets';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
const partial = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json';
const partialList = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json';
const protobuf = 'application/vnd.kubernetes.protobuf';

before(async () => {
  server = await startTestApiserver();
  admin = server.client();
  for (const [name, namespace, labels, type] of [
    ['a', 'default', { app: 'x' }, 'Opaque'],
    ['b', 'default', { app: 'x', tier: 'back' }, 'example.com/other'],
    ['c', 'default', { app: 'y' }, 'Opaque'],
    ['d', 'kube-system', { app: 'x' }, 'Opaque'],
  ] as const) {
    const answer = await admin.post(`/api/v1/namespaces/${namespace}/secrets`, {
      metadata: { name, labels },
      type,
      data: { k: 'dg==' },
    });
    assert.equal(answer.status, 201, answer.text);
  }
});
after(() => server.close());

const names = (answer: TestAnswer): string[] =>
  answer.json.items.map((i: { metadata: { name: string } }) => i.metadata.name);

describe('list', () => {
  it('sends the stored bytes of each object', async () => {
    const one = await admin.get(`${secrets}/a`);
    const entry = await server.store.get('/registry/secrets/default/a');
    assert.deepEqual(one.bytes, Buffer.from(entry!.value));
    const list = await admin.get(secrets);
    assert.ok(list.bytes.includes(one.bytes));
    assert.deepEqual([list.json.kind, list.json.apiVersion], ['SecretList', 'v1']);
    assert.deepEqual(names(list), ['a', 'b', 'c']);
    assert.equal(list.json.metadata.resourceVersion, String(server.store.revision()));
    assert.deepEqual(names(await admin.get(all)), ['a', 'b', 'c', 'd']);
    assert.deepEqual((await admin.get('/api/v1/namespaces/none/secrets')).json.items, []);
  });

  it('selects by labels and fields', async () => {
    const cases: readonly [query: string, expected: string[]][] = [
      ['labelSelector=app%3Dx', ['a', 'b']],
      ['labelSelector=app%20in%20(x,y),!tier', ['a', 'c']],
      ['labelSelector=app!%3Dx', ['c']],
      ['fieldSelector=metadata.name%3Db', ['b']],
      ['fieldSelector=metadata.name!%3Db', ['a', 'c']],
      ['fieldSelector=type%3DOpaque&labelSelector=app%3Dx', ['a']],
      ['fieldSelector=metadata.name%3Da,metadata.name%3Db', []],
      ['fieldSelector=metadata.namespace%3Ddefault', ['a', 'b', 'c']],
    ];
    for (const [query, expected] of cases)
      assert.deepEqual(names(await admin.get(`${secrets}?${query}`)), expected, query);
    for (const query of ['labelSelector=a%20in%20(', 'fieldSelector=data.k%3Dv', 'fieldSelector=x', 'limit=x']) {
      const answer = await admin.get(`${secrets}?${query}`);
      assert.equal(answer.status, 400, query);
      assert.equal(answer.json.reason, 'BadRequest');
    }
  });

  it('pages over one state, whatever is written meanwhile', async () => {
    const first = await admin.get(`${all}?limit=2`);
    assert.deepEqual(names(first), ['a', 'b']);
    assert.equal(first.json.metadata.remainingItemCount, 2);
    await admin.post(secrets, { metadata: { name: 'bb' } });
    const next = await admin.get(`${all}?limit=2&continue=${encodeURIComponent(first.json.metadata.continue)}`);
    assert.deepEqual(names(next), ['c', 'd']);
    assert.equal(next.json.metadata.continue, undefined);
    assert.equal(next.json.metadata.resourceVersion, first.json.metadata.resourceVersion);
    await admin.delete(`${secrets}/bb`);
    const selected = await admin.get(`${all}?limit=1&labelSelector=app%3Dx`);
    assert.equal(selected.json.metadata.remainingItemCount, undefined);
    assert.equal((await admin.get(`${all}?continue=nonsense`)).status, 400);
  });

  it('keeps the rules of resourceVersion', async () => {
    const now = (await admin.get(secrets)).json.metadata.resourceVersion;
    assert.equal((await admin.get(`${secrets}?resourceVersion=${now}&resourceVersionMatch=Exact`)).status, 200);
    assert.equal((await admin.get(`${secrets}?resourceVersion=0`)).status, 200);
    assert.equal((await admin.get(`${secrets}?resourceVersionMatch=Exact`)).status, 422);
    assert.equal((await admin.get(`${secrets}?resourceVersion=0&resourceVersionMatch=Exact`)).status, 422);
    assert.equal((await admin.get(`${secrets}?resourceVersion=1&resourceVersionMatch=Nearly`)).status, 422);
    assert.equal((await admin.get(`${secrets}?resourceVersion=x`)).status, 400);
    const old = await admin.get(`${secrets}?resourceVersion=2&resourceVersionMatch=Exact`);
    assert.deepEqual(names(old), ['a']);
    await server.store.compact(3);
    const expired = await admin.get(`${secrets}?resourceVersion=2&resourceVersionMatch=Exact`);
    assert.deepEqual([expired.status, expired.json.reason], [410, 'Expired']);
    const future = await admin.get(`${secrets}/a?resourceVersion=100000`);
    assert.deepEqual([future.status, future.json.reason], [504, 'Timeout']);
    assert.equal(future.headers['retry-after'], '1');
  });
});

describe('representations', () => {
  it('shows a Table, with as much of the object as is asked for', async () => {
    const list = (await admin.get(secrets, { accept: table })).json;
    assert.deepEqual([list.kind, list.apiVersion], ['Table', 'meta.k8s.io/v1']);
    assert.deepEqual(
      list.columnDefinitions.map((c: { name: string }) => c.name),
      ['Name', 'Type', 'Data', 'Age'],
    );
    assert.deepEqual(list.rows[0].cells.slice(0, 3), ['a', 'Opaque', 1]);
    assert.equal(list.rows[0].object.kind, 'PartialObjectMetadata');
    assert.equal(list.rows[0].object.data, undefined);
    const whole = (await admin.get(`${secrets}/a?includeObject=Object`, { accept: table })).json;
    assert.equal(whole.rows[0].object.data.k, 'dg==');
    assert.equal((await admin.get(`${secrets}?includeObject=None`, { accept: table })).json.rows[0].object, null);
    assert.equal((await admin.get(`${secrets}?includeObject=Some`, { accept: table })).status, 400);
  });

  it('shows metadata only, and nothing of a secret', async () => {
    const one = await admin.get(`${secrets}/a`, { accept: partial });
    assert.deepEqual([one.json.kind, one.json.apiVersion], ['PartialObjectMetadata', 'meta.k8s.io/v1']);
    assert.equal(one.json.data, undefined);
    const list = await admin.get(secrets, { accept: partialList });
    assert.equal(list.json.kind, 'PartialObjectMetadataList');
    assert.ok(list.json.items.every((i: object) => !('data' in i)));
    const wrongList = await admin.get(secrets, { accept: partial });
    const wrongOne = await admin.get(`${secrets}/a`, { accept: partialList });
    assert.deepEqual(
      [wrongList.status, wrongList.json.message, wrongOne.status, wrongOne.json.message],
      [
        406,
        'you requested PartialObjectMetadata, but the requested object is a list (*core.SecretList)',
        406,
        'you requested PartialObjectMetadataList, but the requested object is not a list (*core.Secret)',
      ],
    );
  });

  it('negotiates', async () => {
    const types: readonly [accept: string, status: number, type: string][] = [
      ['', 200, 'application/json'],
      ['*/*', 200, 'application/json'],
      ['application/yaml', 200, 'application/yaml'],
      [`${protobuf},application/json`, 200, protobuf],
      [`application/json;q=0.5,${protobuf}`, 200, protobuf],
      ['text/html,application/json;q=0.1', 200, 'application/json'],
      ['application/json;as=Nonsense;v=v1;g=meta.k8s.io,application/yaml', 200, 'application/yaml'],
      ['application/json;as=Table;v=v9;g=meta.k8s.io', 406, 'application/json'],
      ['text/html', 406, 'application/json'],
      ['application/cbor', 406, 'application/json'],
      ['application/json;q=0', 406, 'application/json'],
    ];
    for (const [accept, status, type] of types) {
      const answer = await admin.get(`${secrets}/a`, accept === '' ? {} : { accept });
      assert.deepEqual([answer.status, answer.headers['content-type']], [status, type], accept);
    }
    assert.match(
      (await admin.get(secrets, { accept: 'text/html' })).json.message,
      /^only the following media types are accepted: application\/json, /,
    );
    const list = await admin.get(secrets, { accept: protobuf });
    assert.equal(list.bytes.subarray(0, 4).toString('latin1'), 'k8s\0');
  });

  it('prints prettily for people', async () => {
    assert.match((await admin.get(`${secrets}/a?pretty=true`)).text, /^\{\n {2}"/);
    assert.match((await admin.get(`${secrets}/a`, { 'user-agent': 'curl/8' })).text, /^\{\n {2}"/);
    assert.doesNotMatch((await admin.get(`${secrets}/a?pretty=false`, { 'user-agent': 'curl/8' })).text, /\n {2}"/);
  });

  it('compresses what is large, for who wants it', async () => {
    const big = 'x'.repeat(200_000);
    await admin.post('/api/v1/namespaces/default/configmaps', { metadata: { name: 'big' }, data: { big } });
    const path = '/api/v1/namespaces/default/configmaps/big';
    const answer = await admin.get(path, { 'accept-encoding': 'gzip' });
    assert.equal(answer.headers['content-encoding'], 'gzip');
    assert.ok(answer.bytes.length < 10_000);
    assert.equal(JSON.parse(gunzipSync(answer.bytes).toString()).data.big, big);
    assert.equal((await admin.get(path)).headers['content-encoding'], undefined);
    assert.equal((await admin.get(path, { 'accept-encoding': 'gzip;q=0' })).headers['content-encoding'], undefined);
    assert.equal(
      (await admin.get(`${secrets}/a`, { 'accept-encoding': 'gzip' })).headers['content-encoding'],
      undefined,
    );
  });

  it('answers HEAD like GET where there is no resource, without a body', async () => {
    assert.equal((await admin.request('HEAD', `${secrets}/a`)).status, 405);
    const answer = await admin.request('HEAD', '/version');
    assert.deepEqual(
      [answer.status, answer.bytes.length, answer.headers['content-type']],
      [200, 0, 'application/json'],
    );
  });
});

describe('watch', () => {
  it('goes on from a revision, in every shape', async () => {
    const from = (await admin.get(secrets)).json.metadata.resourceVersion;
    const query = `?watch=true&resourceVersion=${from}`;
    const plain = admin.watch(`${secrets}${query}`);
    const tables = admin.watch(`${secrets}${query}`, { accept: table });
    const metadata = admin.watch(`${secrets}${query}`, { accept: partial });
    const selected = admin.watch(`${secrets}${query}&labelSelector=app%3Dx`);
    assert.equal(await plain.status, 200);
    await admin.post(secrets, { metadata: { name: 'w', labels: { app: 'x' } }, stringData: { p: 'q' } });
    await admin.patch(`${secrets}/w`, { metadata: { labels: { app: 'y' } } });
    await admin.delete(`${secrets}/w`);
    await Promise.all([plain.until(3), tables.until(3), metadata.until(3), selected.until(2)]);
    assert.deepEqual(
      plain.events.map((e) => e.type),
      ['ADDED', 'MODIFIED', 'DELETED'],
    );
    assert.deepEqual(
      selected.events.map((e) => e.type),
      ['ADDED', 'DELETED'],
    );
    assert.deepEqual(
      tables.events.map((e) => [e.object.kind, e.object.rows[0].cells[0]]),
      [
        ['Table', 'w'],
        ['Table', 'w'],
        ['Table', 'w'],
      ],
    );
    assert.ok(metadata.events.every((e) => e.object.kind === 'PartialObjectMetadata' && e.object.data === undefined));
    for (const watch of [plain, tables, metadata, selected]) watch.stop();
  });

  it('begins with what is there, then says so', async () => {
    const watch = admin.watch(
      `${secrets}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
    );
    await watch.until(4);
    assert.deepEqual(
      watch.events.map((e) => e.type),
      ['ADDED', 'ADDED', 'ADDED', 'BOOKMARK'],
    );
    assert.equal(watch.events[3].object.metadata.annotations['k8s.io/initial-events-end'], 'true');
    watch.stop();
    assert.equal((await admin.get(`${secrets}?watch=1&sendInitialEvents=true`)).status, 422);
  });

  it('ends when its time is up', async () => {
    const begun = Date.now();
    const watch = admin.watch(`${secrets}?watch=1&timeoutSeconds=1`);
    await watch.ended;
    assert.ok(Date.now() - begun >= 900 && Date.now() - begun < 3_000);
    assert.equal((await admin.get(`${secrets}?watch=1&timeoutSeconds=x`)).status, 400);
    assert.equal((await admin.get(`${secrets}?timeoutSeconds=x`)).status, 400);
  });

  it('ends without a word when its time is up before it begins', async () => {
    const future = `${secrets}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999999`;
    for (const seconds of ['-1', '1']) {
      const answer = await admin.get(`${future}&timeoutSeconds=${seconds}`);
      assert.deepEqual([answer.status, answer.text], [200, '']);
    }
    assert.deepEqual(
      server.logLines.filter((line) => line.includes('a request failed')),
      [],
    );
  });

  it('says 504 as its one event when the revision does not come', async () => {
    const future = `${secrets}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999999`;
    const answer = await admin.get(future);
    assert.deepEqual([answer.status, answer.json.type, answer.json.object.code], [200, 'ERROR', 504]);
    assert.match(answer.json.object.message, /^Timeout: Too large resource version: 999999, current: \d+$/);
  });

  it('says 410 as its one event when the revision is gone', async () => {
    await server.store.compact(server.store.revision() - 1);
    const watch = admin.watch(`${secrets}?watch=1&resourceVersion=1`);
    await watch.ended;
    assert.equal(await watch.status, 200);
    assert.equal(watch.events.length, 1);
    assert.equal(watch.events[0].type, 'ERROR');
    assert.deepEqual([watch.events[0].object.code, watch.events[0].object.reason], [410, 'Expired']);
    assert.match(watch.events[0].object.message, /^too old resource version: 1 \(/);
  });

  it('frames protobuf by length', async () => {
    const answer = await admin.get(`${secrets}?watch=1&timeoutSeconds=1`, { accept: `${protobuf};stream=watch` });
    assert.equal(answer.headers['content-type'], 'application/vnd.kubernetes.protobuf;stream=watch');
    let offset = 0;
    let frames = 0;
    while (offset < answer.bytes.length) {
      offset += 4 + answer.bytes.readUInt32BE(offset);
      frames++;
    }
    assert.deepEqual([frames, offset], [3, answer.bytes.length]);
  });

  it('ends a client that does not read, and keeps the others', async () => {
    const configMaps = '/api/v1/namespaces/default/configmaps';
    const stuck = server.client();
    const watch = stuck.watch(`${configMaps}?watch=1`);
    await watch.status;
    watch.pause();
    const healthy = admin.watch(`${configMaps}?watch=1&resourceVersion=${server.store.revision()}`);
    await healthy.status;
    const value = 'y'.repeat(900_000);
    for (let i = 0; i < 30; i++)
      await admin.put(`${configMaps}/big`, { metadata: { name: 'big' }, data: { value, i: String(i) } });
    await healthy.until(30);
    healthy.stop();
    watch.resume();
    await watch.ended;
    assert.ok(watch.events.length < 30, `${watch.events.length} events`);
  });
});

describe('one object under two names', () => {
  it('serves events of core and of events.k8s.io', async () => {
    const fresh = '/apis/events.k8s.io/v1/namespaces/default/events';
    const watch = admin.watch(`${fresh}?watch=1`);
    await watch.status;
    const event = {
      metadata: { name: 'e' },
      regarding: { kind: 'Secret', name: 'a', namespace: 'default' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'example.com/test',
      reportingInstance: 'test-1',
      action: 'Testing',
      reason: 'Tested',
      type: 'Normal',
      note: 'all is well',
    };
    const created = await admin.post(fresh, event);
    assert.equal(created.status, 201, created.text);
    assert.equal(created.json.apiVersion, 'events.k8s.io/v1');
    const core = (await admin.get('/api/v1/namespaces/default/events/e')).json;
    assert.deepEqual(
      [core.apiVersion, core.kind, core.involvedObject.name, core.message, core.reportingComponent],
      ['v1', 'Event', 'a', 'all is well', 'example.com/test'],
    );
    await admin.patch('/api/v1/namespaces/default/events/e', { metadata: { labels: { seen: 'yes' } } });
    await watch.until(2);
    assert.deepEqual(
      watch.events.map((e) => [e.type, e.object.apiVersion, e.object.note]),
      [
        ['ADDED', 'events.k8s.io/v1', 'all is well'],
        ['MODIFIED', 'events.k8s.io/v1', 'all is well'],
      ],
    );
    watch.stop();
    assert.deepEqual(names(await admin.get(`${fresh}?fieldSelector=regarding.name%3Da`)), ['e']);
    assert.deepEqual(
      names(await admin.get('/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Db')),
      [],
    );
    assert.equal((await admin.delete(`${fresh}/e`)).status, 200);
    assert.equal((await admin.get('/api/v1/namespaces/default/events/e')).status, 404);
  });

  it('loses nothing of an autoscaler that is updated through its older version', async () => {
    const v2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
    const v1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
    const metrics = [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      { type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 60 } } },
    ];
    const spec = { maxReplicas: 5, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, metrics };
    const created = await admin.post(v2, { metadata: { name: 'h' }, spec });
    assert.equal(created.status, 201, created.text);
    const old = (await admin.get(`${v1}/h`)).json;
    assert.deepEqual([old.apiVersion, old.spec.targetCPUUtilizationPercentage], ['autoscaling/v1', 50]);
    const changed = await admin.put(`${v1}/h`, { ...old, spec: { ...old.spec, targetCPUUtilizationPercentage: 70 } });
    assert.equal(changed.status, 200, changed.text);
    const fresh = (await admin.get(`${v2}/h`)).json;
    assert.equal(fresh.apiVersion, 'autoscaling/v2');
    assert.deepEqual(fresh.spec.metrics, [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
      metrics[1],
    ]);
    assert.equal(fresh.metadata.annotations, undefined);
  });
});
