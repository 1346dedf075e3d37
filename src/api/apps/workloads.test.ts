import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeploymentSpec } from '../generated/types.ts';
import { Kind } from '../testing/kinds.ts';

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i:1' }] } };
const selector = { matchLabels: { app: 'web' } };
const good = { selector, template };
const podSpec = {
  containers: [
    {
      name: 'c',
      image: 'i:1',
      imagePullPolicy: 'IfNotPresent',
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
      resources: {},
    },
  ],
  dnsPolicy: 'ClusterFirst',
  restartPolicy: 'Always',
  securityContext: {},
  terminationGracePeriodSeconds: 30,
  schedulerName: 'default-scheduler',
};

describe('Deployment', () => {
  const deployments = new Kind('apps', 'Deployment');
  const errors = (spec: object): string[] => deployments.createErrors({ spec: { ...good, ...spec } });

  it('gets the defaults that Kubernetes stores', () => {
    assert.deepEqual(deployments.created({ spec: good }).spec, {
      replicas: 1,
      selector,
      template: { metadata: { labels: { app: 'web' } }, spec: podSpec },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
    });
    assert.deepEqual(
      (deployments.created({ spec: { ...good, strategy: { type: 'Recreate' } } }).spec as DeploymentSpec).strategy,
      {
        type: 'Recreate',
      },
    );
    assert.equal((deployments.created({ spec: { ...good, replicas: 0 } }).spec as DeploymentSpec).replicas, 0);
  });

  it('is refused in the words of Kubernetes', () => {
    assert.deepEqual(deployments.createErrors({}), [
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
      'spec.template.spec.containers: Required value',
    ]);
    assert.deepEqual(errors({ selector: {} }), [
      'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
    ]);
    assert.deepEqual(errors({ selector: { matchLabels: { app: 'db' } } }), [
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ]);
    assert.deepEqual(errors({ replicas: -1 }), [
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ]);
    assert.deepEqual(errors({ template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } }), [
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ]);
    assert.deepEqual(errors({ strategy: { type: 'Recreate', rollingUpdate: {} } }), [
      "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ]);
    assert.deepEqual(errors({ strategy: { type: 'Yolo' } }), [
      'spec.strategy.type: Unsupported value: "Yolo": supported values: "Recreate", "RollingUpdate"',
    ]);
    assert.deepEqual(errors({ strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: '0%' } } }), [
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
    ]);
    assert.deepEqual(errors({ strategy: { rollingUpdate: { maxUnavailable: '101%' } } }), [
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ]);
    assert.deepEqual(errors({ strategy: { rollingUpdate: { maxSurge: 'many' } } }), [
      `spec.strategy.rollingUpdate.maxSurge: Invalid value: "many": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`,
    ]);
    assert.deepEqual(errors({ progressDeadlineSeconds: 5, minReadySeconds: 5 }), [
      'spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds',
    ]);
    assert.match(
      errors({ template: { metadata: { labels: { app: 'web', x: '-' } }, spec: template.spec } }).join(),
      /^spec.template.labels: Invalid value: "-"/,
    );
  });

  it('never changes its selector', () => {
    const old = deployments.created({ spec: good });
    const { errors: problems } = deployments.update(old, (o) => {
      const spec = o.spec as DeploymentSpec;
      spec.selector = { matchLabels: { app: 'db' } };
      spec.template.metadata = { labels: { app: 'db' } };
    });
    assert.deepEqual(problems, ['spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable']);
    assert.deepEqual(deployments.update(old, (o) => (o.status = { replicas: 1, readyReplicas: 2 }), 'status').errors, [
      'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    ]);
  });
});

describe('the other workloads', () => {
  it('have their defaults', () => {
    assert.deepEqual(new Kind('apps', 'ReplicaSet').created({ spec: good }), {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: 'x',
        namespace: 'default',
        uid: 'u1',
        creationTimestamp: '2026-01-01T00:00:00Z',
        generation: 1,
        resourceVersion: '1',
      },
      spec: { replicas: 1, selector, template: { metadata: { labels: { app: 'web' } }, spec: podSpec } },
      status: { replicas: 0 },
    });
    const {
      template: _t,
      selector: _s,
      ...set
    } = new Kind('apps', 'StatefulSet').created({ spec: good }).spec as Record<string, unknown>;
    assert.deepEqual(set, {
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      replicas: 1,
      revisionHistoryLimit: 10,
    });
    const {
      template: _t2,
      selector: _s2,
      ...daemons
    } = new Kind('apps', 'DaemonSet').created({ spec: good }).spec as Record<string, unknown>;
    assert.deepEqual(daemons, {
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      revisionHistoryLimit: 10,
    });
    const controller = new Kind('', 'ReplicationController').created({ spec: { template } });
    assert.deepEqual((controller.spec as { selector: unknown }).selector, { app: 'web' });
    assert.deepEqual(controller.metadata.labels, { app: 'web' });
    assert.deepEqual(new Kind('', 'ReplicationController').createErrors({ spec: { template } }), []);
  });

  it('have their sentences', () => {
    assert.deepEqual(new Kind('apps', 'StatefulSet').createErrors({ spec: { ...good, selector: {} } }), [
      'spec.selector: Invalid value: {}: empty selector is invalid for statefulset',
    ]);
    const sets = new Kind('apps', 'StatefulSet');
    const old = sets.created({ spec: good });
    assert.match(
      sets.update(old, (o) => ((o.spec as { serviceName: string }).serviceName = 'x')).errors.join(),
      /^spec: Forbidden: updates to statefulset spec for fields other than 'replicas'/,
    );
    assert.deepEqual(sets.update(old, (o) => ((o.spec as { replicas: number }).replicas = 2)).errors, []);
    assert.deepEqual(
      new Kind('apps', 'DaemonSet').createErrors({
        spec: { ...good, updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } },
      }),
      ['spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0'],
    );
    assert.deepEqual(
      new Kind('', 'ReplicationController').createErrors({ spec: { template, selector: { app: 'db' } } }),
      ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
    );
  });
});
