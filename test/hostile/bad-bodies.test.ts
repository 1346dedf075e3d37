import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ApiAnswer, ApiRequest } from './support/api-client.ts';
import { Http2Client } from './support/http2-client.ts';
import { startTarget, type Target } from './support/target.ts';

/** What is wrong with a body or a question, asked over HTTP/1.1 and HTTP/2 of a running cluster: Kubernetes' answer, and nothing stored. */

let target: Target;
let http2: Http2Client;

before(async () => {
  target = await startTarget();
  http2 = new Http2Client(target.port, target.tls(target.pki.issueClient({ user: 'h2', groups: ['system:masters'] })));
  await target.cluster.ok(['create', 'namespace', 'empty']);
  await target.cluster.ok(['create', 'configmap', 'there', '--from-literal=a=b']);
  await target.cluster.ok(['create', 'secret', 'generic', 'typed', '--from-literal=a=b']);
  await target.cluster.ok(['create', 'service', 'clusterip', 'svc', '--tcp=80']);
  await target.cluster.ok(['create', 'deployment', 'dep', '--image=none', '--replicas=0']);
  await target.cluster.ok(['create', 'configmap', 'frozen', '--from-literal=a=b', '-n', 'kube-public']);
  await target.cluster.ok(['patch', 'configmap', 'frozen', '-n', 'kube-public', '-p', '{"immutable":true}']);
});
after(async () => {
  http2?.close();
  await target?.close();
});

/** The resident memory of the cluster's process, in MiB. */
function residentMiB(): number {
  const status = readFileSync(`/proc/${target.cluster.process.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

const EMPTY = '/api/v1/namespaces/empty/configmaps';
const DEFAULT = '/api/v1/namespaces/default';
const YAML = { 'content-type': 'application/yaml' };
const PROTOBUF = { 'content-type': 'application/vnd.kubernetes.protobuf' };
const patch = (type: string, body: ApiRequest['body'], more: Partial<ApiRequest> = {}): ApiRequest => ({
  method: 'PATCH',
  headers: { 'content-type': type },
  ...(body === undefined ? {} : { body }),
  ...more,
});
const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';

const bomb = [
  'a: &a [x,x,x,x,x,x,x,x,x]',
  ...'bcdefghij'.split('').map((name, i) => `${name}: &${name} [${`*${'abcdefghi'[i]},`.repeat(9)}]`),
].join('\n');
const labels = (value: object) => ({ metadata: { name: 'x', labels: value } });
const deep = (depth: number): string =>
  `{"metadata":{"name":"x"},"data":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;

type Row = readonly [name: string, path: string, request: ApiRequest, code: number, reason: string, message: RegExp];

const rows: readonly Row[] = [
  // Syntax.
  [
    'cut JSON',
    EMPTY,
    { body: '{"metadata":{"name":"x"' },
    400,
    'BadRequest',
    /couldn't get version\/kind; json parse error: /,
  ],
  ['JSON and more', EMPTY, { body: '{"metadata":{"name":"x"}}{"metadata":{"name":"y"}}' }, 400, 'BadRequest', /./],
  ['a number', EMPTY, { body: '7' }, 400, 'BadRequest', /json: cannot unmarshal number/],
  ['null', EMPTY, { body: 'null' }, 422, 'Invalid', /metadata.name: Required value/],
  ['nothing', EMPTY, { method: 'POST', body: '' }, 400, 'BadRequest', /./],
  ['UTF-16', EMPTY, { body: Buffer.from('{"metadata":{"name":"x"}}', 'utf16le') }, 400, 'BadRequest', /./],
  ['nesting of 20,000 levels', EMPTY, { body: deep(20_000) }, 400, 'BadRequest', /./],
  ['200,000 brackets', EMPTY, { body: '['.repeat(200_000) }, 400, 'BadRequest', /./],
  [
    'gzip',
    EMPTY,
    { body: gzipSync('{"metadata":{"name":"x"}}'), headers: { 'content-encoding': 'gzip' } },
    400,
    'BadRequest',
    /./,
  ],
  ['broken YAML', EMPTY, { body: 'metadata: [', headers: YAML }, 400, 'BadRequest', /./],
  ['a YAML alias bomb', EMPTY, { body: bomb, headers: YAML }, 400, 'BadRequest', /alias/],
  [
    'a YAML alias bomb by merging',
    EMPTY,
    { body: bomb.replaceAll('[', '{<<: [').replaceAll(']', ']}'), headers: YAML },
    400,
    'BadRequest',
    /./,
  ],
  [
    'a YAML type of another language',
    EMPTY,
    { body: 'metadata: !!python/object/apply:os.system ["id"]', headers: YAML },
    400,
    'BadRequest',
    /./,
  ],
  [
    'two YAML documents',
    EMPTY,
    { body: 'metadata:\n  name: x\n---\nmetadata:\n  name: y\n', headers: YAML },
    400,
    'BadRequest',
    /./,
  ],
  [
    'protobuf without its magic',
    EMPTY,
    { body: Buffer.from('0a0b', 'hex'), headers: PROTOBUF },
    400,
    'BadRequest',
    /./,
  ],
  [
    'protobuf that is cut',
    EMPTY,
    { body: Buffer.from('6b387300 0a10 0a02 7631'.replaceAll(' ', ''), 'hex'), headers: PROTOBUF },
    400,
    'BadRequest',
    /./,
  ],
  [
    'protobuf whose length is 2^63',
    EMPTY,
    { body: Buffer.from('6b387300 12ffffffffffffffff7f'.replaceAll(' ', ''), 'hex'), headers: PROTOBUF },
    400,
    'BadRequest',
    /./,
  ],
  [
    'protobuf whose number has no end',
    EMPTY,
    { body: Buffer.concat([Buffer.from('6b3873000a', 'hex'), Buffer.alloc(64, 0xff)]), headers: PROTOBUF },
    400,
    'BadRequest',
    /./,
  ],
  // Size.
  [
    '3 MiB and a byte',
    EMPTY,
    { body: `{"metadata":{"name":"x"},"data":{"a":"${'x'.repeat(3 * 1024 * 1024 - 36)}"}}` },
    413,
    'RequestEntityTooLarge',
    /^Request entity too large: limit is 3145728$/,
  ],
  [
    '10 MiB of YAML',
    EMPTY,
    { body: 'a: b\n'.repeat(2 * 1024 * 1024), headers: YAML },
    413,
    'RequestEntityTooLarge',
    /^Request entity too large: limit is 3145728$/,
  ],
  [
    'a ConfigMap over 1 MiB',
    EMPTY,
    { body: { metadata: { name: 'x' }, data: { a: 'x'.repeat(1 << 20), b: 'y' } } },
    422,
    'Invalid',
    /Too long: /,
  ],
  // Media types.
  [
    'text',
    EMPTY,
    { body: '{}', headers: { 'content-type': 'text/plain' } },
    415,
    'UnsupportedMediaType',
    /^the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml, application\/vnd.kubernetes.protobuf$/,
  ],
  [
    'CBOR',
    EMPTY,
    { body: Buffer.from('a0', 'hex'), headers: { 'content-type': 'application/cbor' } },
    415,
    'UnsupportedMediaType',
    /./,
  ],
  [
    'a form',
    EMPTY,
    { body: 'metadata=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    415,
    'UnsupportedMediaType',
    /./,
  ],
  [
    'a patch of no known type',
    `${DEFAULT}/configmaps/there`,
    patch('application/json', { data: {} }),
    415,
    'UnsupportedMediaType',
    /accepted media types include: application\/json-patch\+json/,
  ],
  [
    'an answer in XML',
    EMPTY,
    { headers: { accept: 'application/xml' } },
    406,
    'NotAcceptable',
    /^only the following media types are accepted: /,
  ],
  // Fields.
  [
    'an unknown field, strictly',
    `${EMPTY}?fieldValidation=Strict`,
    { body: { metadata: { name: 'x' }, dat: {} } },
    400,
    'BadRequest',
    /strict decoding error: unknown field "dat"/,
  ],
  [
    'a field twice, strictly',
    `${EMPTY}?fieldValidation=Strict`,
    { body: '{"metadata":{"name":"x","name":"y"}}' },
    400,
    'BadRequest',
    /strict decoding error: duplicate field "metadata\.name"/,
  ],
  [
    'a YAML key twice, strictly',
    `${EMPTY}?fieldValidation=Strict`,
    { body: 'metadata:\n  name: x\n  name: z\n', headers: YAML },
    400,
    'BadRequest',
    /strict decoding error: .*already set|duplicate/,
  ],
  [
    'the prototype, strictly',
    `${EMPTY}?fieldValidation=Strict`,
    { body: '{"metadata":{"name":"x","__proto__":{"labels":{"a":"b"}}}}' },
    400,
    'BadRequest',
    /strict decoding error: unknown field "metadata\.__proto__"/,
  ],
  [
    'the constructor, strictly',
    `${EMPTY}?fieldValidation=Strict`,
    { body: '{"metadata":{"name":"x"},"constructor":{"prototype":{}}}' },
    400,
    'BadRequest',
    /strict decoding error: unknown field "constructor"/,
  ],
  [
    'a field validation that there is not',
    `${EMPTY}?fieldValidation=Loose`,
    { body: { metadata: { name: 'x' } } },
    422,
    'Invalid',
    /fieldValidation: Unsupported value: "Loose"/,
  ],
  [
    'a dry run that there is not',
    `${EMPTY}?dryRun=Some`,
    { body: { metadata: { name: 'x' } } },
    422,
    'Invalid',
    /dryRun: Unsupported value: \["Some"\]/,
  ],
  [
    'a wrong type',
    EMPTY,
    { body: { metadata: { name: 'x' }, data: { a: [1] } } },
    400,
    'BadRequest',
    /json: cannot unmarshal array into Go struct field ConfigMap\.data of type string/,
  ],
  [
    'another kind',
    EMPTY,
    { body: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } } },
    400,
    'BadRequest',
    /^Secret in version "v1" cannot be handled as a ConfigMap/,
  ],
  [
    'another group',
    EMPTY,
    { body: { apiVersion: 'apps/v1', kind: 'ConfigMap', metadata: { name: 'x' } } },
    400,
    'BadRequest',
    /./,
  ],
  // Names.
  [
    'a name with a slash',
    EMPTY,
    { body: { metadata: { name: 'a/b' } } },
    422,
    'Invalid',
    /metadata\.name: Invalid value: "a\/b"/,
  ],
  [
    'a name of dots',
    EMPTY,
    { body: { metadata: { name: '..' } } },
    422,
    'Invalid',
    /metadata\.name: Invalid value: "\.\."/,
  ],
  [
    'a name of 254 letters',
    EMPTY,
    { body: { metadata: { name: 'x'.repeat(254) } } },
    422,
    'Invalid',
    /must be no more than 253/,
  ],
  [
    'a name with a line break',
    EMPTY,
    { body: { metadata: { name: 'x\ny' } } },
    422,
    'Invalid',
    /metadata\.name: Invalid value: "x\\ny"/,
  ],
  [
    'a label that breaks the rules',
    EMPTY,
    { body: labels({ 'a b': 'c' }) },
    422,
    'Invalid',
    /metadata\.labels: Invalid value: "a b"/,
  ],
  [
    'a label value of 64 letters',
    EMPTY,
    { body: labels({ a: 'x'.repeat(64) }) },
    422,
    'Invalid',
    /must be no more than 63/,
  ],
  [
    'a key that climbs out of its volume',
    EMPTY,
    { body: { metadata: { name: 'x' }, data: { '../../etc/passwd': 'x' } } },
    422,
    'Invalid',
    /data\[\.\.\/\.\.\/etc\/passwd\]: Invalid value/,
  ],
  ['a key of two dots', EMPTY, { body: { metadata: { name: 'x' }, data: { '..': 'x' } } }, 422, 'Invalid', /./],
  [
    'another namespace',
    EMPTY,
    { body: { metadata: { name: 'x', namespace: 'kube-system' } } },
    400,
    'BadRequest',
    /^the namespace of the provided object does not match the namespace sent on the request$/,
  ],
  [
    'a namespace that there is not',
    '/api/v1/namespaces/nowhere/configmaps',
    { body: { metadata: { name: 'x' } } },
    404,
    'NotFound',
    /^namespaces "nowhere" not found$/,
  ],
  [
    'a pod without containers',
    '/api/v1/namespaces/empty/pods',
    { body: { metadata: { name: 'x' }, spec: {} } },
    422,
    'Invalid',
    /spec\.containers: Required value/,
  ],
  [
    'a pod without a spec',
    '/api/v1/namespaces/empty/pods',
    { body: { metadata: { name: 'x' } } },
    422,
    'Invalid',
    /spec\.containers: Required value/,
  ],
  [
    'a Deployment without a template',
    '/apis/apps/v1/namespaces/empty/deployments',
    { body: { metadata: { name: 'x' }, spec: { selector: { matchLabels: { a: 'b' } } } } },
    422,
    'Invalid',
    /spec\.template/,
  ],
  // State.
  [
    'what is there already',
    `${DEFAULT}/configmaps`,
    { body: { metadata: { name: 'there' } } },
    409,
    'AlreadyExists',
    /^configmaps "there" already exists$/,
  ],
  [
    'a stale resourceVersion',
    `${DEFAULT}/configmaps/there`,
    { method: 'PUT', body: { metadata: { name: 'there', resourceVersion: '1' } } },
    409,
    'Conflict',
    /^Operation cannot be fulfilled on configmaps "there": the object has been modified; please apply your changes to the latest version and try again$/,
  ],
  [
    'a stale resourceVersion in a patch',
    `${DEFAULT}/configmaps/there`,
    patch(MERGE_PATCH, { metadata: { resourceVersion: '1' }, data: { c: 'd' } }),
    409,
    'Conflict',
    /the object has been modified/,
  ],
  [
    'deleting another one of that name',
    `${DEFAULT}/configmaps/there`,
    { method: 'DELETE', body: { preconditions: { uid: '00000000-0000-4000-8000-000000000000' } } },
    409,
    'Conflict',
    /the UID in the precondition \(00000000-0000-4000-8000-000000000000\) does not match the UID in record \(/,
  ],
  [
    'another name than the URL’s',
    `${DEFAULT}/configmaps/there`,
    { method: 'PUT', body: { metadata: { name: 'other' } } },
    400,
    'BadRequest',
    /^the name of the object \(other\) does not match the name on the URL \(there\)$/,
  ],
  [
    'the UID of another',
    `${DEFAULT}/configmaps/there`,
    { method: 'PUT', body: { metadata: { name: 'there', uid: 'x' } } },
    409,
    'Conflict',
    /Precondition failed: UID in precondition: x, UID in object meta: /,
  ],
  [
    'what is immutable',
    '/api/v1/namespaces/kube-public/configmaps/frozen',
    patch(MERGE_PATCH, { data: { a: 'c' } }),
    422,
    'Invalid',
    /^ConfigMap "frozen" is invalid: data: Forbidden: field is immutable when `immutable` is set$/,
  ],
  [
    'the type of a Secret',
    `${DEFAULT}/secrets/typed`,
    patch(MERGE_PATCH, { type: 'kubernetes.io/tls' }),
    422,
    'Invalid',
    /type: Invalid value: "kubernetes\.io\/tls": field is immutable/,
  ],
  [
    'the address of a Service',
    `${DEFAULT}/services/svc`,
    patch(MERGE_PATCH, { spec: { clusterIP: '10.96.255.250', clusterIPs: ['10.96.255.250'] } }),
    422,
    'Invalid',
    /spec\.clusterIPs?(\[0\])?: Invalid value: .*(may not change once set|field is immutable)/,
  ],
  [
    'the selector of a Deployment',
    '/apis/apps/v1/namespaces/default/deployments/dep',
    patch(MERGE_PATCH, {
      spec: { selector: { matchLabels: { app: 'x' } }, template: { metadata: { labels: { app: 'x' } } } },
    }),
    422,
    'Invalid',
    /spec\.selector: Invalid value: .*: field is immutable/,
  ],
  // Patches.
  [
    'a JSON patch that does not apply',
    `${DEFAULT}/configmaps/there`,
    patch(JSON_PATCH, '[{"op":"test","path":"/data/a","value":"z"}]'),
    422,
    'Invalid',
    /./,
  ],
  [
    'a JSON patch of no operation',
    `${DEFAULT}/configmaps/there`,
    patch(JSON_PATCH, '[{"op":"burn","path":"/data"}]'),
    422,
    'Invalid',
    /./,
  ],
  [
    'a JSON patch of 10,001 operations',
    `${DEFAULT}/configmaps/there`,
    patch(
      JSON_PATCH,
      `[${'{"op":"test","path":"/kind","value":"ConfigMap"},'.repeat(10_000)}{"op":"test","path":"/kind","value":"ConfigMap"}]`,
    ),
    413,
    'RequestEntityTooLarge',
    /^Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001$/,
  ],
  [
    'a JSON patch into the prototype',
    `${DEFAULT}/configmaps/there`,
    patch(JSON_PATCH, '[{"op":"add","path":"/__proto__/polluted","value":"x"}]'),
    422,
    'Invalid',
    /./,
  ],
  ['a merge patch that is cut', `${DEFAULT}/configmaps/there`, patch(MERGE_PATCH, '{"data":'), 400, 'BadRequest', /./],
  [
    'a strategic patch with a directive that there is not',
    `${DEFAULT}/configmaps/there`,
    patch(STRATEGIC, '{"data":{"$patch":"explode"}}'),
    400,
    'BadRequest',
    /explode/,
  ],
  // Questions.
  [
    'a label selector',
    `${EMPTY}?labelSelector=${encodeURIComponent('a in (b')}`,
    {},
    400,
    'BadRequest',
    /unable to parse requirement|unable to parse/,
  ],
  [
    'a field selector',
    `${EMPTY}?fieldSelector=data.a%3Db`,
    {},
    400,
    'BadRequest',
    /^"data\.a" is not a known field selector: only "metadata\.name", "metadata\.namespace"$/,
  ],
  ['a limit', `${EMPTY}?limit=many`, {}, 400, 'BadRequest', /strconv\.ParseInt: parsing "many": invalid syntax/],
  ['a resourceVersion', `${EMPTY}?resourceVersion=abc`, {}, 400, 'BadRequest', /./],
  [
    'a match without a version',
    `${EMPTY}?resourceVersionMatch=Exact`,
    {},
    422,
    'Invalid',
    /resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided/,
  ],
  ['a continue token', `${EMPTY}?limit=1&continue=AAAA`, {}, 400, 'BadRequest', /continue key is not valid/],
  [
    'a revision of the future',
    `${EMPTY}?resourceVersion=999999999`,
    {},
    504,
    'Timeout',
    /Too large resource version: 999999999, current: \d+/,
  ],
  [
    'a kind that there is not',
    '/api/v1/namespaces/empty/nothings',
    {},
    404,
    'NotFound',
    /^the server could not find the requested resource$/,
  ],
  [
    'a version that there is not',
    '/apis/apps/v9/deployments',
    {},
    404,
    'NotFound',
    /^the server could not find the requested resource$/,
  ],
  [
    'a method that there is not',
    EMPTY,
    { method: 'PUT', body: {} },
    405,
    'MethodNotAllowed',
    /^the server does not allow this method on the requested resource$/,
  ],
];

describe('over HTTP/1.1 and HTTP/2', () => {
  const stored = async (): Promise<string> => {
    const all = await Promise.all(
      [EMPTY, `${DEFAULT}/configmaps`, `${DEFAULT}/secrets`, `${DEFAULT}/services`].map((path) =>
        target.admin.send(path),
      ),
    );
    return all.map((list) => JSON.stringify(list.json.items)).join('\n');
  };

  for (const [name, path, request, code, reason, message] of rows) {
    it(`refuses ${name} with ${code}, and stores nothing`, async () => {
      const before = await stored();
      const answers: ApiAnswer[] = [await target.admin.send(path, request), await http2.send(path, request)];
      for (const answer of answers) {
        const { kind, status } = answer.json ?? {};
        assert.deepEqual(
          [answer.status, kind, status, answer.json?.reason],
          [code, 'Status', 'Failure', reason],
          answer.text.slice(0, 500),
        );
        assert.match(answer.json.message, message);
        assert.ok(answer.json.message.length < 2_000, 'it does not say it all again');
        assert.ok(!/\.ts:|node:|\/src\//.test(answer.text), 'nothing of the inside');
      }
      assert.equal(await stored(), before);
    });
  }

  it('takes an unknown field with a warning, or without a word, as it was asked', async () => {
    for (const [index, client] of [target.admin, http2].entries()) {
      const body = { metadata: { name: `warned-${index}` }, dat: {}, ['__proto__']: { data: { a: 'b' } } };
      const warned = await client.send(`${DEFAULT}/configmaps`, {
        body: `{"metadata":{"name":"${body.metadata.name}"},"dat":{},"__proto__":{"data":{"a":"b"}}}`,
      });
      assert.equal(warned.status, 201, warned.text);
      assert.match(String(warned.headers['warning']), /299 - "unknown field \\"dat\\""/);
      assert.deepEqual([warned.json.dat, warned.json.data, warned.json.kind], [undefined, undefined, 'ConfigMap']);
      assert.ok(!warned.text.includes('__proto__'));
      const ignored = await client.send(`${DEFAULT}/configmaps?fieldValidation=Ignore`, {
        body: { metadata: { name: `ignored-${index}` }, dat: {} },
      });
      assert.equal(ignored.status, 201);
      assert.equal(ignored.headers['warning'], undefined);
    }
    assert.equal(({} as { polluted?: string }).polluted, undefined);
  });

  it('does not grow with what it refuses', { timeout: 60_000 }, async () => {
    const greedy = rows.filter(([name]) => /bomb|levels|brackets|MiB|length|operations/.test(name));
    const round = () =>
      Promise.all(greedy.flatMap(([, path, request]) => [target.admin.send(path, request), http2.send(path, request)]));
    await round();
    const before = residentMiB();
    for (let i = 0; i < 4; i++) await round();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const grown = residentMiB() - before;
    assert.ok(grown < 150, `${grown.toFixed(0)} MiB more`);
    await target.alive();
    assert.match(await target.cluster.ok(['get', 'nodes']), / Ready /);
  });
});
