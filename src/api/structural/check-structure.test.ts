import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSchema } from '../schema/schema.ts';
import { checkStructure } from './check-structure.ts';

const schema = loadSchema();

function sentences(definition: string, object: unknown): string[] {
  return checkStructure(schema, definition, object).map((cause) => `${cause.field}: ${cause.message}`);
}

test('required texts that are missing are named, also in structs that are missing whole', () => {
  assert.deepEqual(sentences('io.k8s.api.storage.v1.StorageClass', { metadata: {} }), ['provisioner: Required value']);
  assert.deepEqual(sentences('io.k8s.api.rbac.v1.RoleBinding', {}), [
    'roleRef.kind: Required value',
    'roleRef.name: Required value',
  ]);
});

test('a value outside its enum is refused by name', () => {
  const object = { spec: { ports: [{ port: 1, protocol: 'ICMP' }] } };
  assert.deepEqual(sentences('io.k8s.api.core.v1.Service', object), [
    'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
  ]);
});

test('status, metadata, lists and numbers are left alone', () => {
  assert.deepEqual(sentences('io.k8s.api.apps.v1.Deployment', { status: { conditions: [{}] }, metadata: {} }), []);
  assert.deepEqual(sentences('io.k8s.api.scheduling.v1.PriorityClass', {}), []);
});
