import assert from 'node:assert/strict';
import { test } from 'node:test';
import { behaviourOf } from './kind-behaviour.ts';
import type { KubeObject } from './object.ts';
import { loadScheme } from './resources/load-scheme.ts';
import { texts } from './testing/kinds.ts';

function behaviour(group: string, version: string, kind: string) {
  const resource = loadScheme().findKind(group, version, kind);
  assert.ok(resource, kind);
  return { rules: behaviourOf(resource), namespaced: resource.namespaced };
}

function errors(group: string, version: string, kind: string, object: object): string[] {
  const { rules, namespaced } = behaviour(group, version, kind);
  const metadata = { name: 'x', ...(namespaced ? { namespace: 'default' } : {}) };
  const whole = { metadata, ...object } as KubeObject;
  rules.applyDefaults(whole);
  return texts(rules.validateCreate(whole));
}

test('kinds without rules of their own are held to the schema', () => {
  assert.deepEqual(errors('storage.k8s.io', 'v1', 'StorageClass', {}), ['provisioner: Required value']);
  assert.deepEqual(errors('node.k8s.io', 'v1', 'RuntimeClass', {}), ['handler: Required value']);
  assert.deepEqual(errors('networking.k8s.io', 'v1', 'IngressClass', { spec: { controller: 'example.com/c' } }), []);
  const rule = { http: { paths: [{ path: '/', backend: { service: { name: 'a', port: { number: 1 } } } }] } };
  assert.deepEqual(errors('networking.k8s.io', 'v1', 'Ingress', { spec: { rules: [rule] } }), [
    'spec.rules[0].http.paths[0].pathType: Required value',
  ]);
  assert.deepEqual(errors('networking.k8s.io', 'v1', 'Ingress', {}), [
    'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
  ]);
});

test('no class puts a pod above the system’s own, and none changes its value', () => {
  const priority = (object: object) => errors('scheduling.k8s.io', 'v1', 'PriorityClass', object);
  assert.deepEqual(priority({}), []);
  assert.deepEqual(priority({ value: 1_000_000_000 }), []);
  assert.deepEqual(priority({ value: 1_000_000_001 }), [
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  ]);
  const reserved =
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: ";
  assert.deepEqual(priority({ metadata: { name: 'system-x' } }), [
    `${reserved}system-x is not a known system priority class`,
  ]);
  assert.deepEqual(priority({ metadata: { name: 'system-node-critical' }, value: 5 }), [
    `${reserved}value of system-node-critical PriorityClass must be 2000001000`,
  ]);
  assert.deepEqual(priority({ metadata: { name: 'system-node-critical' }, value: 2_000_001_000 }), []);
  const { rules } = behaviour('scheduling.k8s.io', 'v1', 'PriorityClass');
  const old = { metadata: { name: 'x', resourceVersion: '1' }, value: 1, preemptionPolicy: 'Never' } as KubeObject;
  assert.deepEqual(
    texts(rules.validateUpdate({ ...old, value: 2, preemptionPolicy: 'PreemptLowerPriority' }, old, '')),
    [
      'value: Forbidden: may not be changed in an update.',
      'preemptionPolicy: Invalid value: "PreemptLowerPriority": field is immutable',
    ],
  );
});

test('volumes and claims say what they are', () => {
  assert.deepEqual(errors('', 'v1', 'PersistentVolumeClaim', {}), [
    'spec.accessModes: Required value: at least 1 access mode is required',
    'spec.resources[storage]: Required value',
  ]);
  assert.deepEqual(
    errors('', 'v1', 'PersistentVolumeClaim', {
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    }),
    [],
  );
  assert.deepEqual(errors('', 'v1', 'PersistentVolume', { spec: { accessModes: ['Sometimes'] } }), [
    'spec.accessModes[0]: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
    'spec.capacity: Required value',
    'spec: Required value: must specify a volume type',
  ]);
  const volume = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' } };
  assert.deepEqual(errors('', 'v1', 'PersistentVolume', { spec: volume }), []);
  assert.deepEqual(errors('', 'v1', 'PersistentVolume', { spec: { ...volume, nfs: { server: 'a', path: '/' } } }), [
    'spec.nfs: Forbidden: may not specify more than 1 volume type',
  ]);
});

test('an autoscaler has something to scale, within bounds', () => {
  assert.deepEqual(
    errors('autoscaling', 'v2', 'HorizontalPodAutoscaler', { spec: { minReplicas: 3, maxReplicas: 2 } }),
    [
      'spec.scaleTargetRef.kind: Required value',
      'spec.scaleTargetRef.name: Required value',
      'spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`',
    ],
  );
});
