import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergeSchema } from '../schema/merge-schema.ts';
import { loadSchema } from '../schema/schema.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const merge = mergeSchema(loadSchema());
const deployment = 'io.k8s.api.apps.v1.Deployment';
const withContainers = (...containers: object[]): object => ({ spec: { template: { spec: { containers } } } });

describe('strategic merge by the schema', () => {
  it('changes an image as kubectl set image does', () => {
    const stored = withContainers(
      { name: 'a', image: 'x:1', ports: [{ containerPort: 80 }] },
      { name: 'b', image: 'y:1' },
    );
    const patch = {
      spec: {
        template: {
          spec: {
            '$setElementOrder/containers': [{ name: 'a' }, { name: 'b' }],
            containers: [{ name: 'a', image: 'x:2' }],
          },
        },
      },
    };
    assert.deepEqual(
      applyStrategicMergePatch(stored, patch, deployment, merge),
      withContainers({ name: 'a', image: 'x:2', ports: [{ containerPort: 80 }] }, { name: 'b', image: 'y:1' }),
    );
  });

  it('changes the strategy, a volume and conditions as their tags say', () => {
    const stored = {
      spec: {
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
        template: { spec: { volumes: [{ name: 'v', emptyDir: {} }] } },
      },
      status: { conditions: [{ type: 'Available', status: 'False' }] },
    };
    const patch = {
      spec: {
        strategy: { $retainKeys: ['type'], type: 'Recreate' },
        template: { spec: { volumes: [{ $retainKeys: ['name', 'configMap'], name: 'v', configMap: { name: 'm' } }] } },
      },
      status: {
        conditions: [
          { type: 'Available', status: 'True' },
          { type: 'Progressing', status: 'True' },
        ],
      },
    };
    assert.deepEqual(applyStrategicMergePatch(stored, patch, deployment, merge), {
      spec: {
        strategy: { type: 'Recreate' },
        template: { spec: { volumes: [{ name: 'v', configMap: { name: 'm' } }] } },
      },
      status: {
        conditions: [
          { type: 'Available', status: 'True' },
          { type: 'Progressing', status: 'True' },
        ],
      },
    });
  });

  it('reports node conditions, finalizers and labels', () => {
    const stored = {
      metadata: { finalizers: ['a/b'], labels: { x: 'y' } },
      status: {
        conditions: [{ type: 'Ready', status: 'False', reason: 'R' }],
        addresses: [{ type: 'InternalIP', address: '1' }],
      },
    };
    const patch = {
      metadata: { '$deleteFromPrimitiveList/finalizers': ['a/b'], labels: { x: null } },
      status: { '$setElementOrder/conditions': [{ type: 'Ready' }], conditions: [{ type: 'Ready', status: 'True' }] },
    };
    assert.deepEqual(applyStrategicMergePatch(stored, patch, 'io.k8s.api.core.v1.Node', merge), {
      metadata: { finalizers: [], labels: {} },
      status: {
        conditions: [{ type: 'Ready', status: 'True', reason: 'R' }],
        addresses: [{ type: 'InternalIP', address: '1' }],
      },
    });
  });

  it('leaves raw JSON alone', () => {
    const stored = { data: { a: 1 }, revision: 1 };
    const patch = { data: { $patch: 'replace', b: 2 } };
    assert.deepEqual(applyStrategicMergePatch(stored, patch, 'io.k8s.api.apps.v1.ControllerRevision', merge), {
      data: { $patch: 'replace', b: 2 },
      revision: 1,
    });
  });
});
