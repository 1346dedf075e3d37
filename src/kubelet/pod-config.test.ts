import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod, PodSpec } from '../api/generated/types.ts';
import { unsupportedByKubelet } from './pod-config.ts';

const refused = (container: Partial<Container>, spec: Partial<PodSpec> = {}): readonly string[] =>
  unsupportedByKubelet({
    metadata: { name: 'p' },
    spec: { ...spec, containers: [{ name: 'c', image: 'i', ...container }] },
  } as Pod);

test('a limit that nothing keeps is refused; one that is kept, or that the scheduler counts, is not', () => {
  assert.deepEqual(
    refused({ resources: { limits: { cpu: '1', memory: '1Gi', 'example.com/gpu': '1', 'hugepages-2Mi': '2Mi' } } }),
    [],
  );
  const resources = { requests: { 'ephemeral-storage': '1Gi' }, limits: { 'ephemeral-storage': '1Gi' } };
  const volume = (emptyDir: object): Partial<PodSpec> => ({ volumes: [{ name: 'v', emptyDir }] });
  assert.deepEqual(refused({ resources }, volume({ sizeLimit: '1Gi' })), []);
  assert.deepEqual(refused({}, volume({ medium: 'Memory' })), ['spec.volumes[0].emptyDir.medium']);
});

test('a restart policy that a container has for itself is refused unless it is a sidecar’s', () => {
  assert.deepEqual(refused({ restartPolicy: 'Always' }), []);
  assert.deepEqual(refused({ restartPolicy: 'Never' }, { restartPolicy: 'Never' }), []);
  assert.deepEqual(refused({ restartPolicy: 'Never' }), ['spec.containers[0].restartPolicy']);
  assert.deepEqual(refused({ restartPolicy: 'Always' }, { restartPolicy: 'Never' }), [
    'spec.containers[0].restartPolicy',
  ]);
  const init = (restartPolicy: string): Partial<PodSpec> => ({
    initContainers: [{ name: 'first', image: 'i', restartPolicy }],
  });
  assert.deepEqual(refused({}, init('Always')), []);
  assert.deepEqual(refused({}, init('Never')), ['spec.initContainers[0].restartPolicy']);
});

test('a variable that would stay empty is refused', () => {
  const fileKeyRef = { volumeName: 'v', path: 'x', key: 'k' };
  assert.deepEqual(
    refused({
      env: [
        { name: 'A', value: 'b' },
        { name: 'B', valueFrom: { fileKeyRef } },
      ],
    }),
    ['spec.containers[0].env[1].valueFrom.fileKeyRef'],
  );
});
