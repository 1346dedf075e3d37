import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCodec } from '../../api/codec/codec.ts';
import { loadSchema } from '../../api/schema/schema.ts';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import type { TestAnswer, TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;
const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const protobuf = 'application/vnd.kubernetes.protobuf';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const codec = createCodec(loadSchema());

before(async () => {
  server = await startTestApiserver();
  admin = server.client();
});
after(() => server.close());

const read = (answer: TestAnswer, kind: string) => {
  assert.equal(answer.headers['content-type'], protobuf);
  return codec.decode(answer.bytes, 'protobuf', { group: '', version: 'v1', kind }).object;
};

describe('an error', () => {
  it('is answered in the media type that the client accepts', async () => {
    const binary = await admin.get(`${pods}/absent`, { accept: protobuf });
    assert.equal(binary.status, 404);
    const { message, reason, details, code } = read(binary, 'Status');
    assert.deepEqual(
      [message, reason, details, code],
      ['pods "absent" not found', 'NotFound', { name: 'absent', kind: 'pods' }, 404],
    );
    const yaml = await admin.get(`${pods}/absent`, { accept: 'application/yaml' });
    assert.equal(yaml.headers['content-type'], 'application/yaml');
    assert.match(yaml.text, /^message: 'pods "absent" not found'$|^message: pods "absent" not found$/m);
    const invalid = await admin.post(configMaps, { metadata: { name: 'A' } }, { accept: `${protobuf}, */*` });
    assert.equal(invalid.status, 422);
    assert.equal((read(invalid, 'Status')['details'] as { causes: unknown[] }).causes.length, 1);
  });

  it('of a watch is protobuf too', async () => {
    const answer = await admin.get(`${pods}?watch=1&resourceVersion=x`, { accept: `${protobuf};stream=watch` });
    assert.deepEqual([answer.status, read(answer, 'Status')['code']], [400, 400]);
  });

  it('says what a watch can be had in', async () => {
    const answer = await admin.get(`${pods}?watch=1`, { accept: 'application/yaml' });
    assert.equal(answer.status, 406);
    assert.match(
      answer.text,
      /message: .*only the following media types are accepted: application\/json;stream=watch, application\/vnd\.kubernetes\.protobuf;stream=watch/,
    );
  });

  it('is never a Table, and is JSON for a client that accepts nothing we have', async () => {
    for (const accept of [`${table},application/json`, table, 'text/html', 'application/pdf;q=1']) {
      const answer = await admin.get(`${pods}/absent`, { accept });
      assert.equal(answer.headers['content-type'], 'application/json', accept);
      const refused = accept === 'text/html' || accept === 'application/pdf;q=1';
      assert.deepEqual([answer.status, answer.json.kind], [refused ? 406 : 404, 'Status'], accept);
    }
  });

  it('is spread over lines for people', async () => {
    assert.match((await admin.get(`${pods}/absent?pretty=true`)).text, /^\{\n {2}"kind": "Status",\n/);
    assert.match((await admin.get(`${pods}/absent`, { 'user-agent': 'curl/8' })).text, /^\{\n/);
    assert.match((await admin.get(`${pods}/absent`)).text, /^\{"kind":"Status"/);
  });

  it('names nothing that has no name', async () => {
    const { details } = (await admin.post(configMaps, { data: {} })).json;
    assert.deepEqual(details, {
      kind: 'ConfigMap',
      causes: [
        {
          reason: 'FieldValueRequired',
          message: 'Required value: name or generateName is required',
          field: 'metadata.name',
        },
      ],
    });
  });

  it('of a right that is missing is not to be guessed at by browsers', async () => {
    const guest = server.client(server.identity('guest'));
    const answer = await guest.get(pods);
    assert.deepEqual([answer.status, answer.headers['x-content-type-options']], [403, 'nosniff']);
  });

  it('says after how long to ask again', async () => {
    const answer = await admin.get(`${pods}?resourceVersion=999999`);
    assert.deepEqual([answer.status, answer.headers['retry-after'], answer.json.reason], [504, '1', 'Timeout']);
  });
});

describe('what is not there', () => {
  it('is a line of text where no API is, and a Status in one', async () => {
    for (const path of [
      '/nothing',
      '/apis/nothing.example.com',
      '/apis/nothing.example.com/v1',
      '/apis/nothing.example.com/v1/things',
      '/apis/nothing.example.com/v1/namespaces/default/things/x',
      '/livez/nothing',
      '/openapi/v3/apis/nothing',
    ]) {
      const answer = await admin.get(path);
      assert.deepEqual([answer.status, answer.text], [404, '404 page not found\n'], path);
      assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8', path);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff', path);
      assert.ok(answer.headers['audit-id'], path);
    }
    for (const path of [
      '/api/v2',
      '/api/v1/nothings',
      '/apis/apps/v9',
      '/apis/apps/v9/deployments',
      `${pods}/a/nope`,
    ]) {
      const answer = await admin.get(path);
      assert.deepEqual([answer.status, answer.json.kind], [404, 'Status'], path);
      assert.equal(answer.json.message, 'the server could not find the requested resource', path);
      assert.deepEqual(answer.json.details, {}, path);
    }
  });
});

describe('a method that there is not', () => {
  it('is refused where the path is known', async () => {
    for (const [method, path] of [
      ['PUT', pods],
      ['PATCH', pods],
      ['POST', `${pods}/x`],
      ['HEAD', pods],
      ['HEAD', `${pods}/x`],
      ['OPTIONS', pods],
      ['POST', '/api/v1/pods'],
      ['DELETE', '/api/v1/pods'],
      ['POST', '/api/v1/watch/pods'],
      ['DELETE', '/api/v1/watch/namespaces/default/pods/x'],
      ['POST', '/version'],
      ['PUT', '/apis'],
    ] as const) {
      const answer = await admin.request(method, path);
      assert.equal(answer.status, 405, `${method} ${path}`);
      if (method === 'HEAD') continue;
      assert.deepEqual(
        [answer.json.reason, answer.json.message, answer.json.details],
        ['MethodNotAllowed', 'the server does not allow this method on the requested resource', {}],
      );
    }
  });
});

describe('what succeeded', () => {
  it('is told in the media type that the client accepts', async () => {
    await admin.post(configMaps, { metadata: { name: 'gone' } });
    const deleted = await admin.request('DELETE', `${configMaps}/gone`, undefined, { accept: protobuf });
    const { status, details } = read(deleted, 'Status');
    assert.deepEqual([status, (details as { name: string }).name], ['Success', 'gone']);
    await admin.post(configMaps, { metadata: { name: 'gone', labels: { gone: 'yes' } } });
    const all = await admin.request('DELETE', `${configMaps}?labelSelector=gone`, undefined, { accept: protobuf });
    assert.equal((read(all, 'ConfigMapList')['items'] as unknown[]).length, 1);
  });

  it('is not begun for a client that accepts no answer', async () => {
    await admin.post(configMaps, { metadata: { name: 'stays', labels: { stays: 'yes' } } });
    for (const path of [`${configMaps}/stays`, `${configMaps}?labelSelector=stays`]) {
      assert.equal((await admin.request('DELETE', path, undefined, { accept: 'text/html' })).status, 406);
    }
    assert.equal((await admin.get(`${configMaps}/stays`)).status, 200);
  });
});

describe('discovery documents of old', () => {
  it('come in protobuf and YAML too', async () => {
    for (const [path, kind] of [
      ['/api', 'APIVersions'],
      ['/apis', 'APIGroupList'],
      ['/apis/apps', 'APIGroup'],
      ['/api/v1', 'APIResourceList'],
      ['/apis/apps/v1', 'APIResourceList'],
    ] as const) {
      const json = (await admin.get(path)).json;
      const object = read(await admin.get(path, { accept: protobuf }), kind);
      assert.deepEqual({ ...object, apiVersion: undefined }, { ...json, apiVersion: undefined }, path);
      assert.match((await admin.get(path, { accept: 'application/yaml' })).text, new RegExp(`^kind: ${kind}$`, 'm'));
      assert.equal((await admin.get(path, { accept: 'text/html' })).status, 406);
    }
  });

  it('are listed with everything else', async () => {
    const { paths } = (await admin.get('/')).json;
    for (const path of ['/api', '/api/v1', '/apis', '/apis/apps', '/apis/apps/v1', '/version']) {
      assert.ok(paths.includes(path), path);
    }
  });
});
