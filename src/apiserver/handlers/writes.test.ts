import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CausewayError } from '../../lib/errors.ts';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import { brief, type TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;
const seen: string[] = [];
/** What admission saw of a pod's restart policy. */
const defaulted: string[] = [];

before(async () => {
  server = await startTestApiserver({
    plugins: [
      {
        name: 'test',
        async admit({ object, operation, warn }) {
          if (object?.metadata.annotations?.['warn'] !== undefined) warn(`careful with "${operation}"\nplease`);
          if (object?.metadata.annotations?.['mutate'] !== undefined) object.metadata.labels = { admitted: 'yes' };
          const spec = object?.['spec'] as { restartPolicy?: string; volumes?: object[] } | undefined;
          if (spec?.restartPolicy !== undefined) defaulted.push(`${operation} ${spec.restartPolicy}`);
          if (object?.metadata.annotations?.['volume'] !== undefined && spec !== undefined) {
            spec.volumes = [{ name: 'v', configMap: { name: 'c' } }];
          }
        },
        async validate({ operation, resource, subresource, name, oldObject, object, dryRun }) {
          seen.push(
            `${operation} ${resource}${subresource === '' ? '' : `/${subresource}`} ${name}${dryRun ? ' dry' : ''}`,
          );
          if ((object ?? oldObject)?.metadata.labels?.['deny'] === operation) {
            throw new CausewayError('Forbidden', `${resource} "${name}" is forbidden: test`);
          }
        },
      },
    ],
  });
  admin = server.client();
});
after(() => server.close());

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

describe('create', () => {
  it('sets what only the server sets', async () => {
    const object = await admin.created(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'system-fields',
        uid: 'mine',
        creationTimestamp: '2001-01-01T00:00:00Z',
        deletionTimestamp: '2001-01-01T00:00:00Z',
        selfLink: '/x',
        managedFields: [{ manager: 'x', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: {} }],
      },
    });
    assert.match(object.metadata.uid, /^[0-9a-f-]{36}$/);
    assert.match(object.metadata.creationTimestamp, /^20[2-9]\d-/);
    assert.deepEqual(Object.keys(object.metadata).sort(), [
      'creationTimestamp',
      'name',
      'namespace',
      'resourceVersion',
      'uid',
    ]);
    const stored = await server.store.get('/registry/configmaps/default/system-fields');
    assert.equal(object.metadata.resourceVersion, String(stored?.modRevision));
  });

  it('gives admission an object with its defaults, and defaults what admission adds', async () => {
    defaulted.length = 0;
    const spec = { containers: [{ name: 'c', image: 'i' }] };
    const pod = await admin.created(pods, { metadata: { name: 'defaulted', annotations: { volume: 'yes' } }, spec });
    assert.deepEqual(pod.spec.volumes, [{ name: 'v', configMap: { name: 'c', defaultMode: 420 } }]);
    const put = await admin.put(`${pods}/defaulted`, { ...pod, spec: { ...pod.spec, restartPolicy: null } });
    assert.equal(put.status, 200, put.text);
    await admin.patch(`${pods}/defaulted`, { spec: { restartPolicy: null } });
    assert.deepEqual(defaulted, ['CREATE Always', 'UPDATE Always', 'UPDATE Always']);
  });

  it('gives up on names that are all taken', async (t) => {
    const other = await startTestApiserver({ change: (d) => ({ ...d, randomSuffix: () => 'aaaaa' }) });
    t.after(() => other.close());
    const client = other.client();
    const body = { metadata: { generateName: 'gen-' } };
    assert.equal((await client.post(configMaps, body)).json.metadata.name, 'gen-aaaaa');
    const taken = await client.post(configMaps, body);
    assert.deepEqual(
      [taken.status, taken.json.reason, taken.json.message, taken.headers['retry-after'], taken.json.details],
      [
        409,
        'AlreadyExists',
        'configmaps "gen-aaaaa" already exists, the server was not able to generate a unique name for the object',
        '1',
        { name: 'gen-aaaaa', kind: 'configmaps', retryAfterSeconds: 1 },
      ],
    );
  });

  it('generates names, and says when one is taken', async () => {
    const object = await admin.created(configMaps, { metadata: { generateName: 'gen-' } });
    assert.match(object.metadata.name, /^gen-[a-z0-9]{5}$/);
    const again = await admin.post(configMaps, { metadata: { name: object.metadata.name } });
    assert.deepEqual(brief(again), [409, 'AlreadyExists', `configmaps "${object.metadata.name}" already exists`]);
    assert.deepEqual(again.json.details, { name: object.metadata.name, kind: 'configmaps' });
  });

  it('stores nothing on a dry run, and answers as if it had', async () => {
    seen.length = 0;
    const answer = await admin.post(`${configMaps}?dryRun=All`, { metadata: { name: 'dry' } });
    assert.equal(answer.status, 201);
    assert.match(answer.json.metadata.uid, /-/);
    assert.equal(answer.json.metadata.resourceVersion, undefined);
    assert.equal((await admin.get(`${configMaps}/dry`)).status, 404);
    assert.deepEqual(seen, ['CREATE configmaps dry dry']);
    assert.equal((await admin.post(`${configMaps}?dryRun=All`, { metadata: { name: 'system-fields' } })).status, 409);
    assert.deepEqual(brief(await admin.post(`${configMaps}?dryRun=Some`, { metadata: { name: 'dry' } })), [
      422,
      'Invalid',
      'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
    ]);
  });

  it('refuses, warns of or ignores unknown and duplicate fields, as asked', async () => {
    const body = '{"metadata":{"name":"strict"},"dat":{"a":"b"},"data":{"a":"1","a":"2"}}';
    assert.deepEqual(brief(await admin.post(`${configMaps}?fieldValidation=Strict`, body)), [
      400,
      'BadRequest',
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.a", unknown field "dat"',
    ]);
    const warned = await admin.post(`${configMaps}?dryRun=All`, body);
    assert.equal(warned.status, 201);
    assert.equal(warned.headers['warning'], '299 - "duplicate field \\"data.a\\"", 299 - "unknown field \\"dat\\""');
    assert.equal(warned.json.dat, undefined);
    const ignored = await admin.post(`${configMaps}?fieldValidation=Ignore&dryRun=All`, body);
    assert.equal(ignored.headers['warning'], undefined);
    assert.match(
      (await admin.post(`${configMaps}?fieldValidation=Maybe`, body)).json.message,
      /supported values: "", "Ignore", "Strict", "Warn"/,
    );
  });

  it('carries what admission says: changes, warnings without line breaks, refusals', async () => {
    const answer = await admin.post(configMaps, { metadata: { name: 'adm', annotations: { mutate: '1', warn: '1' } } });
    assert.deepEqual(answer.json.metadata.labels, { admitted: 'yes' });
    assert.equal(answer.headers['warning'], '299 - "careful with \\"CREATE\\" please"');
    const denied = await admin.post(configMaps, { metadata: { name: 'den', labels: { deny: 'CREATE' } } });
    assert.deepEqual(brief(denied), [403, 'Forbidden', 'configmaps "den" is forbidden: test']);
    assert.equal((await admin.get(`${configMaps}/den`)).status, 404);
  });

  const bad: readonly [name: string, path: string, body: unknown, type: string, status: number, message: RegExp][] = [
    [
      'broken JSON',
      configMaps,
      '{"a":',
      'application/json',
      400,
      /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: /,
    ],
    ['a list', configMaps, '[]', 'application/json', 400, /json: cannot unmarshal array/],
    ['broken YAML', configMaps, 'a: [', 'application/yaml', 400, /./],
    ['an alias bomb', configMaps, aliasBomb(), 'application/yaml', 400, /alias/i],
    [
      'broken protobuf',
      configMaps,
      Buffer.from('k8s\0\xff\xff\xff', 'latin1'),
      'application/vnd.kubernetes.protobuf',
      400,
      /./,
    ],
    ['protobuf without its envelope', configMaps, Buffer.from('{}'), 'application/vnd.kubernetes.protobuf', 400, /./],
    [
      'a media type that is not served',
      configMaps,
      'x',
      'text/plain',
      415,
      /^the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml, application\/vnd.kubernetes.protobuf$/,
    ],
    [
      'another kind',
      configMaps,
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } },
      'application/json',
      400,
      /^Secret in version "v1" cannot be handled as a ConfigMap: /,
    ],
    [
      'another version',
      '/apis/apps/v1/namespaces/default/deployments',
      { apiVersion: 'apps/v1beta1', kind: 'Deployment', metadata: { name: 'x' } },
      'application/json',
      400,
      /./,
    ],
    [
      'a wrong type',
      configMaps,
      { metadata: { name: 'x' }, data: { a: 1 } },
      'application/json',
      400,
      /^ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap\.data of type string$/,
    ],
    [
      'another namespace',
      configMaps,
      { metadata: { name: 'x', namespace: 'kube-system' } },
      'application/json',
      400,
      /^the namespace of the provided object does not match the namespace sent on the request$/,
    ],
    [
      'a resourceVersion',
      configMaps,
      { metadata: { name: 'x', resourceVersion: '1' } },
      'application/json',
      400,
      /^resourceVersion should not be set on objects to be created$/,
    ],
    [
      'no name',
      configMaps,
      { metadata: {} },
      'application/json',
      422,
      /^ConfigMap "" is invalid: metadata\.name: Required value: name or generateName is required$/,
    ],
    [
      'a bad name',
      configMaps,
      { metadata: { name: 'Bad_Name' } },
      'application/json',
      422,
      /^ConfigMap "Bad_Name" is invalid: metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain /,
    ],
    [
      'a bad label',
      configMaps,
      { metadata: { name: 'x', labels: { 'a b': 'c' } } },
      'application/json',
      422,
      /metadata\.labels: Invalid value: "a b"/,
    ],
  ];
  for (const [name, path, body, type, status, message] of bad) {
    it(`refuses ${name}, and stores nothing`, async () => {
      const revision = server.store.revision();
      const answer = await admin.post(path, body, { 'content-type': type });
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.json.message, message);
      assert.equal(server.store.revision(), revision);
    });
  }

  it('takes YAML and protobuf, and answers in each', async () => {
    const yaml = await admin.post(configMaps, 'metadata:\n  name: from-yaml\ndata:\n  a: b\n', {
      'content-type': 'application/yaml',
      accept: 'application/yaml',
    });
    assert.equal(yaml.status, 201, yaml.text);
    assert.match(yaml.text, /^ {2}name: from-yaml$/m);
    const protobuf = (await admin.get(`${configMaps}/from-yaml`, { accept: 'application/vnd.kubernetes.protobuf' }))
      .bytes;
    assert.equal(protobuf.subarray(0, 4).toString('latin1'), 'k8s\0');
    const put = await admin.put(`${configMaps}/from-yaml`, protobuf, {
      'content-type': 'application/vnd.kubernetes.protobuf',
    });
    assert.equal(put.status, 200, put.text);
    assert.deepEqual(put.json.data, { a: 'b' });
  });

  it('refuses a POST to an object, to all namespaces, and to a kind that is not there', async () => {
    assert.equal((await admin.post(`${configMaps}/x`, {})).status, 405);
    assert.equal((await admin.post('/api/v1/configmaps', {})).status, 405);
    assert.deepEqual(brief(await admin.post('/api/v1/namespaces/default/nothings', {})), [
      404,
      'NotFound',
      'the server could not find the requested resource',
    ]);
    assert.equal((await admin.post('/api/v1/namespaces/default/nodes', {})).status, 404);
    assert.equal((await admin.put(configMaps, {})).status, 405);
  });
});

function aliasBomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 10; i++)
    lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`);
  return lines.join('\n');
}

describe('update', () => {
  it('refuses a stale resourceVersion, and makes one winner of many', async () => {
    const object = await admin.created(configMaps, { metadata: { name: 'race' }, data: { n: '0' } });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => admin.put(`${configMaps}/race`, { ...object, data: { n: `${i + 1}` } })),
    );
    assert.deepEqual(answers.map((a) => a.status).sort(), [200, ...Array.from({ length: 9 }, () => 409)]);
    const loser = answers.find((a) => a.status === 409)!;
    assert.deepEqual(brief(loser), [
      409,
      'Conflict',
      'Operation cannot be fulfilled on configmaps "race": the object has been modified; please apply your changes to the latest version and try again',
    ]);
    const unconditional = await admin.put(`${configMaps}/race`, { metadata: { name: 'race' }, data: { n: 'x' } });
    assert.equal(unconditional.status, 200);
    assert.equal(unconditional.json.metadata.uid, object.metadata.uid);
  });

  it('writes nothing when nothing changes', async () => {
    const object = await admin.created(configMaps, { metadata: { name: 'same' }, data: { a: 'b' } });
    const revision = server.store.revision();
    const answer = await admin.put(`${configMaps}/same`, object);
    assert.equal(answer.json.metadata.resourceVersion, object.metadata.resourceVersion);
    const patched = await admin.patch(`${configMaps}/same`, { data: { a: 'b' } });
    assert.equal(patched.status, 200);
    assert.equal(server.store.revision(), revision);
  });

  it('keeps what identifies an object', async () => {
    const object = await admin.created(configMaps, { metadata: { name: 'fixed' }, immutable: true, data: { a: 'b' } });
    assert.match(
      (await admin.put(`${configMaps}/fixed`, { metadata: { name: 'other' } })).json.message,
      /the name of the object \(other\) does not match the name on the URL \(fixed\)/,
    );
    assert.equal((await admin.put(`${configMaps}/fixed`, { metadata: { name: 'fixed', namespace: 'x' } })).status, 400);
    assert.match(
      (await admin.put(`${configMaps}/fixed`, { ...object, metadata: { ...object.metadata, uid: 'other' } })).json
        .message,
      /Precondition failed: UID in precondition: other, UID in object meta: /,
    );
    const immutable = await admin.put(`${configMaps}/fixed`, { ...object, data: { a: 'c' } });
    assert.equal(immutable.status, 422);
    assert.match(immutable.json.message, /data: Forbidden: field is immutable when `immutable` is set/);
    assert.match(
      (await admin.put(`${configMaps}/fixed`, { ...object, metadata: { ...object.metadata, resourceVersion: 'abc' } }))
        .json.message,
      /metadata\.resourceVersion: Invalid value: "abc"/,
    );
    assert.equal((await admin.put(`${configMaps}/absent`, { metadata: { name: 'absent' } })).status, 404);
  });

  it('creates by PUT what may be created so: a Lease', async () => {
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const answer = await admin.put(`${leases}/l`, { metadata: { name: 'l' }, spec: { holderIdentity: 'me' } });
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await admin.put(`${leases}/l`, { ...answer.json, spec: { holderIdentity: 'you' } })).status, 200);
  });

  it('changes status by status, and everything else by everything else', async () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    const object = await admin.created(deployments, {
      metadata: { name: 'd' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
      status: { replicas: 7 },
    });
    assert.equal(object.metadata.generation, 1);
    assert.equal(object.status.replicas, undefined);
    const status = await admin.put(`${deployments}/d/status`, {
      ...object,
      spec: { ...object.spec, replicas: 9 },
      status: { replicas: 3, observedGeneration: 1 },
    });
    assert.deepEqual(
      [status.json.spec.replicas, status.json.status.replicas, status.json.metadata.generation],
      [1, 3, 1],
    );
    const spec = await admin.put(`${deployments}/d`, {
      ...status.json,
      spec: { ...object.spec, replicas: 2 },
      status: {},
    });
    assert.deepEqual([spec.json.spec.replicas, spec.json.status.replicas, spec.json.metadata.generation], [2, 3, 2]);
    const patched = await admin.patch(`${deployments}/d/status`, { status: { replicas: 4 }, spec: { replicas: 1 } });
    assert.deepEqual([patched.json.spec.replicas, patched.json.status.replicas], [2, 4]);
    assert.equal((await admin.get(`${deployments}/d/status`)).json.kind, 'Deployment');
  });
});
