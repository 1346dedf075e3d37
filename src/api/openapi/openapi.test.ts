import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireReader } from '../protobuf/wire-reader.ts';
import { extendScheme, loadScheme } from '../resources/load-scheme.ts';
import { loadSchema } from '../schema/schema.ts';
import { createOpenApi } from './openapi.ts';

type Json = Record<string, unknown>;

const scheme = loadScheme();
const documents = createOpenApi(loadSchema(), scheme, 'v1.36.0');

/** What stands at a path of keys. */
function at(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((inner, key) => (inner as Json | undefined)?.[key], value);
}

function parse(bytes: Buffer | undefined): Json {
  return JSON.parse(String(bytes)) as Json;
}

const v2 = parse(documents.v2Json().bytes);
const core = parse(documents.v3('api/v1')?.bytes);

/** Every `$ref` in a document. */
function references(document: Json): Set<string> {
  return new Set([...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1]!));
}

function dangling(document: Json): string[] {
  return [...references(document)].filter((reference) => at(document, ...reference.split('/')) === undefined);
}

test('no reference in a document leads to nothing', () => {
  assert.deepEqual(dangling(v2), []);
  for (const path of documents.v3Paths()) assert.deepEqual(dangling(parse(documents.v3(path)?.bytes)), [], path);
});

test('each group-version has a document, others have none', () => {
  assert.equal(documents.v3Paths().length, 25);
  assert.equal(documents.v3('apis/apps/v2'), undefined);
  assert.equal(documents.v3('__proto__'), undefined);
  const paths = Object.keys(parse(documents.v3('apis/autoscaling/v1')?.bytes)['paths'] as Json);
  assert.deepEqual(
    paths.filter((path) => !path.startsWith('/apis/autoscaling/v1/')),
    [],
  );
});

/** kubectl asks these of the documents before it relies on the server. */
test('a patch says that the server can do a dry run and check fields', () => {
  const path = '/api/v1/namespaces/{namespace}/pods/{name}';
  for (const document of [v2, core]) {
    const parameters = at(document, 'paths', path, 'patch', 'parameters') as { name?: string; in?: string }[];
    const queries = parameters.filter((parameter) => parameter.in === 'query').map((parameter) => parameter.name);
    assert.deepEqual(queries, ['dryRun', 'fieldValidation']);
    assert.deepEqual(at(document, 'paths', path, 'patch', 'x-kubernetes-group-version-kind'), {
      group: '',
      version: 'v1',
      kind: 'Pod',
    });
  }
});

test('a definition has its words, its enums, its merge keys and its kind, in both versions', () => {
  const v3 = at(core, 'components', 'schemas') as Json;
  const port = at(v3, 'io.k8s.api.core.v1.ContainerPort', 'properties', 'protocol') as Json;
  assert.deepEqual(port['enum'], ['SCTP', 'TCP', 'UDP']);
  assert.match(String(port['description']), /^Protocol for port\. .*\n\nPossible enum values:\n/);
  const containers = at(v2, 'definitions', 'io.k8s.api.core.v1.PodSpec', 'properties', 'containers') as Json;
  assert.equal(containers['x-kubernetes-patch-merge-key'], 'name');
  assert.equal(containers['x-kubernetes-patch-strategy'], 'merge');
  assert.equal(containers['x-kubernetes-list-type'], 'map');
  assert.deepEqual(containers['x-kubernetes-list-map-keys'], ['name']);
  assert.deepEqual(at(v3, 'io.k8s.api.core.v1.Pod', 'x-kubernetes-group-version-kind'), [
    { group: '', version: 'v1', kind: 'Pod' },
  ]);
});

test('version 3 says what version 2 cannot: a port is a number or a name', () => {
  const name = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
  assert.deepEqual(at(core, 'components', 'schemas', name, 'oneOf'), [{ type: 'integer' }, { type: 'string' }]);
  assert.equal(at(v2, 'definitions', name, 'type'), 'string');
  const metadata = at(core, 'components', 'schemas', 'io.k8s.api.core.v1.Pod', 'properties', 'metadata') as Json;
  assert.deepEqual(metadata['allOf'], [
    { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
  ]);
});

test('a tag is known before its document is made, and changes with what is served', () => {
  const other = createOpenApi(loadSchema(), scheme, 'v1.36.1');
  assert.match(documents.v2Json().etag, /^"[0-9A-F]{64}"$/);
  assert.notEqual(documents.v2Json().etag, documents.v2Protobuf().etag);
  assert.notEqual(documents.v3('api/v1')?.etag, other.v3('api/v1')?.etag);
  const widget = { ...scheme.find('apps', 'v1', 'deployments')!, plural: 'widgets', kind: 'Widget' };
  const extended = createOpenApi(loadSchema(), extendScheme(scheme, [widget]), 'v1.36.0');
  assert.notEqual(documents.v3('apis/apps/v1')?.etag, extended.v3('apis/apps/v1')?.etag);
  assert.equal(documents.v3('api/v1')?.etag, extended.v3('api/v1')?.etag);
  assert.equal(documents.v3('api/v1')?.bytes, documents.v3('api/v1')?.bytes);
});

/** A field of a message: varints as numbers, everything else as bytes. */
function fields(bytes: Buffer): Map<number, Buffer[]> {
  const found = new Map<number, Buffer[]>();
  const reader = new WireReader(bytes);
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    if (wireType !== 2) {
      reader.skip(wireType);
      continue;
    }
    found.set(number, [...(found.get(number) ?? []), reader.bytes()]);
  }
  return found;
}

/** The value of the entry `name` in a list of messages `{ name = 1; value = 2 }`. */
function entry(list: readonly Buffer[] | undefined, name: string): Map<number, Buffer[]> {
  const item = list?.map(fields).find((candidate) => candidate.get(1)?.[0]?.toString() === name);
  return fields(item?.get(2)?.[0] ?? Buffer.alloc(0));
}

test('the protobuf form has the same definitions and operations', () => {
  const document = fields(documents.v2Protobuf().bytes);
  assert.equal(document.get(1)?.[0]?.toString(), '2.0');
  const definitions = fields(document.get(9)![0]!).get(1)!;
  assert.equal(definitions.length, Object.keys(v2['definitions'] as Json).length);

  const pod = entry(definitions, 'io.k8s.api.core.v1.Pod');
  assert.equal(pod.get(4)?.[0]?.toString(), at(v2, 'definitions', 'io.k8s.api.core.v1.Pod', 'description'));
  const properties = fields(pod.get(25)![0]!).get(1);
  assert.equal(entry(properties, 'spec').get(1)?.[0]?.toString(), '#/definitions/io.k8s.api.core.v1.PodSpec');
  const kind = entry(pod.get(31), 'x-kubernetes-group-version-kind');
  assert.deepEqual(JSON.parse(String(kind.get(2)?.[0])), [{ group: '', version: 'v1', kind: 'Pod' }]);

  const paths = fields(document.get(8)![0]!).get(2);
  assert.equal(paths?.length, Object.keys(v2['paths'] as Json).length);
  const patch = fields(entry(paths, '/api/v1/namespaces/{namespace}/pods/{name}').get(8)![0]!);
  assert.equal(patch.get(5)?.[0]?.toString(), 'patchCoreV1NamespacedPod');
  const names = patch.get(8)!.map((item) => {
    const query = [1, 2, 3].reduce((inner, number) => fields(inner).get(number)?.[0] ?? Buffer.alloc(0), item);
    return fields(query).get(4)?.[0]?.toString();
  });
  assert.ok(names.includes('dryRun') && names.includes('fieldValidation'), names.join());
});
