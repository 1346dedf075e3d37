import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  AutoscalingV1HorizontalPodAutoscaler,
  Event,
  EventsV1Event,
  FlowcontrolV1Subject,
  HorizontalPodAutoscaler,
  Pod,
  Subject,
} from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { readGenerated } from './schema.ts';

const pod = {
  metadata: { name: 'a' },
  spec: { containers: [{ name: 'c', ports: [{ containerPort: 80, protocol: 'TCP' }] }] },
} satisfies Pod;

// The compiler checks these: a kind is a KubeObject, and the names of kinds that collide mean what the rule says.
const _object: KubeObject = pod as Pod;
const _core: Event['involvedObject'] = { kind: 'Pod' };
const _events: EventsV1Event['regarding'] = { kind: 'Pod' };
const _v2: NonNullable<HorizontalPodAutoscaler['spec']>['metrics'] = [];
const _v1: NonNullable<AutoscalingV1HorizontalPodAutoscaler['spec']>['targetCPUUtilizationPercentage'] = 50;
const _rbac: Subject = { kind: 'User', name: 'a' };
const _flow: FlowcontrolV1Subject = { kind: 'User', user: { name: 'a' } };

test('each TypeScript name stands once, and the file is the same whoever builds it', () => {
  const text = readGenerated('types.ts');
  const names = [...text.matchAll(/^export (?:type|interface) (\w+)/gm)].map((match) => match[1]);
  assert.ok(names.length > 570, `${names.length} types`);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(names, names.toSorted());
  assert.deepEqual([_object, _core, _events, _v2, _v1, _rbac, _flow].length, 7);
});
