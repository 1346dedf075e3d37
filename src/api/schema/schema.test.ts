import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSchema } from './schema.ts';

const schema = loadSchema();

test('a definition has its properties, types, required fields and kind', () => {
  const pod = schema.get('io.k8s.api.core.v1.Pod');
  assert.deepEqual(pod?.gvk, [{ group: '', version: 'v1', kind: 'Pod' }]);
  assert.deepEqual(Object.keys(pod?.properties ?? {}), ['apiVersion', 'kind', 'metadata', 'spec', 'status']);
  const port = schema.get('io.k8s.api.core.v1.ContainerPort');
  assert.deepEqual(port?.required, ['containerPort']);
  assert.deepEqual(port?.properties?.['protocol'], { type: 'string', enum: ['SCTP', 'TCP', 'UDP'], wire: '4' });
  assert.deepEqual(port?.properties?.['containerPort'], { type: 'integer', format: 'int32', wire: '3' });
});

test('kinds are found by group, version and name; the options belong to every group', () => {
  assert.equal(schema.definitionOf('apps', 'v1', 'Deployment'), 'io.k8s.api.apps.v1.Deployment');
  assert.equal(schema.definitionOf('', 'v1', 'PodList'), 'io.k8s.api.core.v1.PodList');
  const options = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';
  assert.equal(schema.definitionOf('', 'v1', 'DeleteOptions'), options);
  assert.equal(schema.definitionOf('policy', 'v1', 'DeleteOptions'), options);
  assert.equal(
    schema.definitionOf('meta.k8s.io', 'v1', 'PartialObjectMetadata'),
    'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata',
  );
  assert.equal(schema.definitionOf('apps', 'v1', 'Nothing'), undefined);
  assert.equal(schema.definitionOf('', 'v1', '__proto__'), undefined);
  assert.equal(schema.get('constructor'), undefined);
});

test('every reference leads to a definition', () => {
  const text = JSON.stringify([...schema.names()].map((name) => schema.get(name)));
  const missing = new Set<string>();
  for (const [, name] of text.matchAll(/"ref":"([^"]+)"/g)) if (schema.get(name!) === undefined) missing.add(name!);
  assert.deepEqual([...missing], []);
});
