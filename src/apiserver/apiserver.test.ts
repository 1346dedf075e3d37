import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiserver, type TestApiserver } from './testing/test-apiserver.ts';
import type { TestClient } from './testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;

before(async () => {
  server = await startTestApiserver();
  admin = server.client();
});
after(() => server.close());

const configMaps = '/api/v1/namespaces/default/configmaps';

describe('apiserver', () => {
  it('creates, gets, lists and watches', async () => {
    const watch = admin.watch(`${configMaps}?watch=1`);
    const created = await admin.post(configMaps, { metadata: { name: 'a' }, data: { k: 'v' } });
    assert.equal(created.status, 201, created.text);
    assert.equal(created.json.kind, 'ConfigMap');
    assert.equal(created.json.metadata.namespace, 'default');
    const got = await admin.get(`${configMaps}/a`);
    assert.deepEqual(got.json, created.json);
    const list = await admin.get(configMaps);
    assert.equal(list.json.kind, 'ConfigMapList');
    assert.deepEqual(list.json.items, [created.json]);
    await watch.until(1);
    assert.deepEqual(watch.events, [{ type: 'ADDED', object: created.json }]);
    watch.stop();
  });
});
