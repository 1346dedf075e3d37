import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeSchema } from './merge-schema.ts';
import { loadSchema } from './schema.ts';

const merge = mergeSchema(loadSchema());
const podSpec = 'io.k8s.api.core.v1.PodSpec';
const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

test('a list of structs that merges by key', () => {
  assert.deepEqual(merge.fieldMergeInfo(podSpec, 'volumes'), {
    kind: 'list',
    elementDefinition: 'io.k8s.api.core.v1.Volume',
    strategy: ['merge', 'retainKeys'],
    mergeKey: 'name',
    listType: 'map',
    listMapKeys: ['name'],
  });
  assert.equal(merge.fieldMergeInfo('io.k8s.api.core.v1.ServiceSpec', 'ports')?.mergeKey, 'port');
});

test('a list of scalars that merges as a set, and one that is replaced', () => {
  assert.deepEqual(merge.fieldMergeInfo(objectMeta, 'finalizers'), {
    kind: 'list',
    elementType: 'string',
    strategy: ['merge'],
    listType: 'set',
  });
  assert.deepEqual(merge.fieldMergeInfo(podSpec, 'tolerations')?.strategy, []);
  assert.equal(merge.fieldMergeInfo(podSpec, 'tolerations')?.listType, 'atomic');
});

test('structs, maps and values', () => {
  assert.equal(merge.fieldMergeInfo('io.k8s.api.core.v1.Pod', 'spec')?.elementDefinition, podSpec);
  assert.deepEqual(merge.fieldMergeInfo(objectMeta, 'labels'), { kind: 'map', elementType: 'string', strategy: [] });
  assert.equal(merge.fieldMergeInfo(objectMeta, 'creationTimestamp')?.kind, 'scalar');
  assert.deepEqual(merge.fieldMergeInfo('io.k8s.api.apps.v1.DeploymentSpec', 'strategy')?.strategy, ['retainKeys']);
  assert.equal(merge.isAtomic('io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector'), true);
  assert.equal(merge.isAtomic(podSpec), false);
});

test('a name from outside reaches no prototype', () => {
  assert.equal(merge.fieldMergeInfo(podSpec, '__proto__'), undefined);
  assert.equal(merge.fieldMergeInfo(podSpec, 'constructor'), undefined);
  assert.equal(merge.fieldMergeInfo('no.such.Definition', 'spec'), undefined);
});
