import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import type { TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;

before(async () => {
  server = await startTestApiserver();
  admin = server.client();
});
after(() => server.close());

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

describe('patch', () => {
  it('takes the three patch types, from the newest state', async () => {
    await admin.created(pods, {
      metadata: { name: 'patched' },
      spec: {
        containers: [
          { name: 'a', image: 'i:1' },
          { name: 'b', image: 'i:1' },
        ],
      },
    });
    const strategic = await admin.patch(
      `${pods}/patched`,
      { spec: { containers: [{ name: 'b', image: 'i:2' }] } },
      'application/strategic-merge-patch+json',
    );
    assert.deepEqual(
      strategic.json.spec.containers.map((c: { name: string; image: string }) => `${c.name} ${c.image}`),
      ['a i:1', 'b i:2'],
    );
    const json = await admin.patch(
      `${pods}/patched`,
      [
        { op: 'test', path: '/spec/containers/0/name', value: 'a' },
        { op: 'replace', path: '/spec/containers/0/image', value: 'i:3' },
      ],
      'application/json-patch+json',
    );
    assert.equal(json.json.spec.containers[0].image, 'i:3');
    const merge = await admin.patch(`${pods}/patched`, { metadata: { labels: { a: 'b' } } });
    assert.deepEqual(merge.json.metadata.labels, { a: 'b' });
    const removed = await admin.patch(`${pods}/patched`, { metadata: { labels: null } });
    assert.equal(removed.json.metadata.labels, undefined);
  });

  it('loses none of many at once', async () => {
    await admin.created(configMaps, { metadata: { name: 'many' } });
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) => admin.patch(`${configMaps}/many`, { data: { [`k${i}`]: 'v' } })),
    );
    assert.deepEqual(
      answers.map((a) => a.status),
      [200, 200, 200, 200, 200, 200],
    );
    assert.equal(Object.keys((await admin.get(`${configMaps}/many`)).json.data).length, 6);
  });

  it('refuses what is no patch', async () => {
    const path = `${configMaps}/many`;
    const apply = await admin.patch(path, 'x', 'application/apply-patch+yaml');
    assert.equal(apply.status, 415);
    assert.match(apply.json.message, /^server-side apply is not served yet/);
    assert.equal((await admin.patch(path, {}, 'application/json')).status, 415);
    assert.equal((await admin.patch(path, '{', 'application/merge-patch+json')).status, 400);
    assert.equal((await admin.patch(path, '{}', 'application/json-patch+json')).status, 400);
    assert.equal(
      (await admin.patch(path, [{ op: 'test', path: '/data/k0', value: 'no' }], 'application/json-patch+json')).status,
      422,
    );
    assert.equal((await admin.patch(path, { metadata: { name: 'other' } })).status, 400);
    assert.equal((await admin.patch(path, { metadata: { resourceVersion: '1' } })).status, 409);
    assert.equal((await admin.patch(`${configMaps}/absent`, {})).status, 404);
  });

  it('checks its options', async () => {
    const path = `${configMaps}/many`;
    for (const [query, cause] of [
      ['force=true', 'force: Forbidden: may not be specified for non-apply patch'],
      [`fieldManager=${'x'.repeat(129)}`, 'fieldManager: Too long: may not be more than 128 bytes'],
      ['fieldManager=a%07', 'fieldManager: Invalid value: "a\\a": invalid character U+0007 (at position 1)'],
      ['dryRun=All&dryRun=x', 'dryRun: Unsupported value: ["All","x"]: supported values: "All"'],
    ] as const) {
      const answer = await admin.patch(`${path}?${query}`, {});
      const message = `PatchOptions.meta.k8s.io "" is invalid: ${cause}`;
      assert.deepEqual([answer.status, answer.json.message], [422, message]);
    }
  });

  it('says of a patch what is wrong with what it makes, and shows nothing that was stored', async () => {
    const path = `${configMaps}/secretive`;
    await admin.created(configMaps, { metadata: { name: 'secretive' }, data: { k: 'HIDDEN' } });
    const strict = `${path}?fieldValidation=Strict`;
    const json = 'application/json-patch+json';
    const strategic = 'application/strategic-merge-patch+json';
    for (const [answer, why] of [
      [
        await admin.patch(path, { data: { k2: 5 } }),
        '{\\"data\\":{\\"k2\\":5}}": json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
      ],
      [
        await admin.patch(path, { kind: 'Secret' }, strategic),
        '{\\"kind\\":\\"Secret\\"}": converting (v1.Secret) to (core.ConfigMap): unknown conversion',
      ],
      [await admin.patch(strict, { foo: 1 }), '{\\"foo\\":1}": strict decoding error: unknown field "foo"'],
      [
        await admin.patch(strict, '[{"op":"add","path":"/foo","value":1,"to":"x"}]', json),
        '[{\\"op\\":\\"add\\",\\"path\\":\\"/foo\\",\\"value\\":1,\\"to\\":\\"x\\"}]": strict decoding error: json patch unknown field "[0].to", unknown field "foo"',
      ],
    ] as const) {
      assert.deepEqual(
        [answer.status, answer.json.reason, answer.json.message],
        [422, 'Invalid', ` "" is invalid: patch: Invalid value: "${why}`],
      );
      assert.equal(answer.json.details.causes[0].field, 'patch');
    }
    const long = await admin.patch(path, { data: { k: 5, more: 'x'.repeat(5_000) } });
    assert.ok(long.text.length < 1_500, long.text);
    assert.equal((await admin.get(path)).json.data.k, 'HIDDEN');
  });

  it('takes JSON alone as a patch', async () => {
    const path = `${configMaps}/many`;
    for (const [type, body, message] of [
      [
        'application/merge-patch+json',
        'data: {}',
        "error decoding patch: invalid character 'd' looking for beginning of value",
      ],
      ['application/merge-patch+json', '', 'error decoding patch: unexpected end of JSON input'],
      ['application/strategic-merge-patch+json', 'data: {}', "invalid character 'd' looking for beginning of value"],
      ['application/json-patch+json', '- op: add', "error decoding patch: invalid character ' ' in numeric literal"],
    ] as const) {
      const answer = await admin.request('PATCH', path, Buffer.from(body), { 'content-type': type });
      assert.deepEqual([answer.status, answer.json.message], [400, message]);
    }
  });

  it('warns of what a strict reading of a patch refuses', async () => {
    const answer = await admin.patch(`${configMaps}/many`, { metadata: { labels: { a: 'b' } }, foo: 1 });
    assert.deepEqual([answer.status, answer.headers['warning']], [200, '299 - "unknown field \\"foo\\""']);
  });
});
