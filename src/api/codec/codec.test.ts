import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CausewayError, type ErrorCode } from '../../lib/errors.ts';
import type { GroupVersionKind } from '../object.ts';
import { loadSchema } from '../schema/schema.ts';
import { strictError } from './body-error.ts';
import { createCodec, type Media } from './codec.ts';
import { encodeEnvelope } from './envelope.ts';
import { maxBodyBytes } from './limits.ts';

const codec = createCodec(loadSchema());
const pod: GroupVersionKind = { group: '', version: 'v1', kind: 'Pod' };
const options: GroupVersionKind = { group: '', version: 'v1', kind: 'DeleteOptions' };

function refused(
  body: string | Buffer,
  sentence: string | RegExp,
  media: Media = 'json',
  expected = pod,
  code: ErrorCode = 'BadRequest',
): void {
  assert.throws(
    () => codec.decode(Buffer.from(body), media, expected),
    (error: unknown) => {
      assert.ok(error instanceof CausewayError, String(error));
      if (typeof sentence === 'string') assert.equal(error.message, sentence);
      else assert.match(error.message, sentence);
      assert.equal(error.code, code);
      return true;
    },
  );
}

test('a body without apiVersion and kind is taken for what the URL names', () => {
  const { object } = codec.decode(Buffer.from('{"metadata":{"name":"a"},"spec":{}}'), 'json', pod);
  assert.equal(JSON.stringify(object), '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{}}');
});

test('a body that is null, or YAML without anything, is an object without fields', () => {
  for (const [text, media] of [
    ['null', 'json'],
    ['', 'yaml'],
    ['# nothing\n', 'yaml'],
  ] as const) {
    assert.deepEqual(codec.decode(Buffer.from(text), media, pod).object, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {},
    });
  }
});

test('a body that is no object is refused with its beginning', () => {
  const unrecognized = 'the object provided is unrecognized (must be of type Pod): ';
  const json = `${unrecognized}couldn't get version/kind; json parse error: `;
  refused('', `${json}unexpected end of JSON input (<empty>)`);
  refused('{"spec', `${json}unexpected end of JSON input ({"spec)`);
  refused('no JSON', `${json}invalid character 'o' in literal null (expecting 'u') (6e6f204a534f4e)`);
  refused(
    `{"a":1,${' '.repeat(40)}}`,
    `${json}invalid character '}' looking for beginning of object key string ({"a":1,${' '.repeat(23)} ...)`,
  );
  const type =
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
  refused('[]', `${json}json: cannot unmarshal array into Go value of type ${type} (5b5d)`);
  refused('a: [b', /^the object provided is unrecognized \(must be of type Pod\): yaml: .* \(613a205b62\)$/, 'yaml');
  refused(
    'x',
    `${unrecognized}provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (78)`,
    'protobuf',
  );
  refused(Buffer.from('k8s\0\x0a\x05a'), `${unrecognized}unexpected EOF (6b3873000a0561)`, 'protobuf');
});

test('a body of another kind is refused', () => {
  const scheme = 'in scheme "pkg/api/legacyscheme/scheme.go:30"';
  refused(
    '{"apiVersion":"v1","kind":"Foo"}',
    `Foo in version "v1" cannot be handled as a Pod: no kind "Foo" is registered for version "v1" ${scheme}`,
  );
  refused(
    '{"apiVersion":"apps/v1beta1","kind":"Deployment"}',
    `Deployment in version "v1beta1" cannot be handled as a Pod: no kind "Deployment" is registered for version "apps/v1beta1" ${scheme}`,
  );
  refused(
    '{"apiVersion":"v1","kind":"Service"}',
    'Service in version "v1" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion',
  );
  refused(
    '{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler"}',
    'the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)',
    'json',
    { group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler' },
  );
  const deployment = encodeEnvelope({ apiVersion: 'apps/v1', kind: 'Deployment', raw: Buffer.alloc(0) });
  refused(
    deployment,
    'Deployment in version "v1" cannot be handled as a Pod: converting (v1.Deployment) to (core.Pod): unknown conversion',
    'protobuf',
  );
});

test('options may name any group, and a retired version of an eviction is taken', () => {
  const { object } = codec.decode(
    Buffer.from('{"apiVersion":"apps/v1","kind":"DeleteOptions","gracePeriodSeconds":0}'),
    'json',
    options,
  );
  assert.deepEqual(object, { apiVersion: 'apps/v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 });
  const eviction = Buffer.from('{"apiVersion":"policy/v1beta1","kind":"Eviction","metadata":{"name":"a"}}');
  const decoded = codec.decode(eviction, 'json', { group: 'policy', version: 'v1', kind: 'Eviction' });
  assert.deepEqual(decoded.object.metadata, { name: 'a' });
});

test('a wrong type names what it was to become', () => {
  refused(
    '{"spec":{"containers":"x"}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container',
  );
});

test('duplicates and unknown fields make the strict sentence', () => {
  const body = Buffer.from('{"spec":{"nodeName":"a","nodeName":"b","foo":1}}');
  const { object, strictErrors } = codec.decode(body, 'json', pod);
  assert.deepEqual(object['spec'], { nodeName: 'b' });
  assert.deepEqual(strictErrors, ['duplicate field "spec.nodeName"', 'unknown field "spec.foo"']);
  assert.equal(
    strictError(pod, pod, strictErrors).message,
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: duplicate field "spec.nodeName", unknown field "spec.foo"',
  );
});

test('a body may have as many bytes as the limit, not one more', () => {
  const body = (size: number): Buffer => Buffer.from(`{"metadata":{"name":"${'a'.repeat(size - 24)}"}}`);
  assert.equal(body(maxBodyBytes).length, maxBodyBytes);
  assert.doesNotThrow(() => codec.decode(body(maxBodyBytes), 'json', pod));
  refused(body(maxBodyBytes + 1), 'Request entity too large: limit is 3145728', 'json', pod, 'RequestEntityTooLarge');
});

test('lists, statuses and bare metadata have a protobuf form', () => {
  const list = {
    apiVersion: 'v1',
    kind: 'ConfigMapList',
    metadata: { resourceVersion: '7', continue: 'token' },
    items: [{ metadata: { name: 'a' }, data: { x: 'y' } }],
  };
  const status = {
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    code: 404,
    details: { name: 'x' },
  };
  const partial = { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata: { name: 'a', uid: 'u' } };
  for (const object of [list, status, partial]) {
    const [version, group = ''] = object.apiVersion.split('/').toReversed() as [string, string?];
    const decoded = codec.decode(codec.encodeProtobuf(object), 'protobuf', { group, version, kind: object.kind });
    assert.deepEqual(decoded.object, object);
  }
});

test('a kind without numbers has no protobuf form', () => {
  assert.equal(codec.supportsProtobuf({ group: 'example.com', version: 'v1', kind: 'Widget' }), false);
  assert.equal(codec.supportsProtobuf(pod), true);
  assert.throws(
    () => codec.encodeProtobuf({ apiVersion: 'example.com/v1', kind: 'Widget' }),
    /^CausewayError: Widget of example.com\/v1 has no protobuf form$/,
  );
});

test('an envelope that is compressed or of another type is refused by name', () => {
  const tail = (number: number, text: string): Buffer =>
    Buffer.concat([Buffer.from([number * 8 + 2, text.length]), Buffer.from(text)]);
  const envelope = encodeEnvelope({ apiVersion: 'v1', kind: 'Pod', raw: Buffer.alloc(0) });
  refused(Buffer.concat([envelope, tail(3, 'gzip')]), 'contentEncoding "gzip" is not supported', 'protobuf');
  refused(Buffer.concat([envelope, tail(4, 'text/plain')]), 'contentType "text/plain" is not supported', 'protobuf');
});

test('the envelope has the bytes that Kubernetes writes', () => {
  const bytes = encodeEnvelope({ apiVersion: 'v1', kind: 'Pod', raw: Buffer.from([1, 2]) });
  assert.equal(bytes.toString('hex'), `6b387300${'0a09'}${'0a027631'}${'1203506f64'}${'12020102'}${'1a00'}${'2200'}`);
});

test('a watch event has its length in front and its object in an envelope', () => {
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
  const frame = codec.encodeProtobufWatchEvent('ADDED', configMap);
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  const envelope = codec.encodeProtobuf(configMap);
  const object = Buffer.concat([Buffer.from([0x0a, envelope.length]), envelope]);
  const event = Buffer.concat([Buffer.from('\x0a\x05ADDED'), Buffer.from([0x12, object.length]), object]);
  assert.deepEqual(frame.subarray(4), event);
});

test('what an extension holds may be JSON or an object of its own', () => {
  const revision: GroupVersionKind = { group: 'apps', version: 'v1', kind: 'ControllerRevision' };
  const object = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: { name: 'a' },
    data: { spec: { x: [1] } },
    revision: 3,
  };
  assert.deepEqual(codec.decode(codec.encodeProtobuf(object), 'protobuf', revision).object, object);
});
