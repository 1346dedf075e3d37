import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kind } from './testing/kinds.ts';

const specOf = (group: string, kind: string, spec: object): unknown => new Kind(group, kind).created({ spec }).spec;

describe('kinds whose behaviour comes later', () => {
  it('show the defaults that clients look for', () => {
    assert.deepEqual(specOf('networking.k8s.io', 'NetworkPolicy', { podSelector: {} }), {
      podSelector: {},
      policyTypes: ['Ingress'],
    });
    assert.deepEqual(
      specOf('networking.k8s.io', 'NetworkPolicy', { podSelector: {}, egress: [{ ports: [{ port: 1 }] }] }),
      {
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
        egress: [{ ports: [{ port: 1, protocol: 'TCP' }] }],
      },
    );
    const target = { type: 'Utilization', averageUtilization: 80 };
    assert.deepEqual(specOf('autoscaling', 'HorizontalPodAutoscaler', { maxReplicas: 3 }), {
      maxReplicas: 3,
      minReplicas: 1,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
    });
    assert.deepEqual(specOf('', 'PersistentVolumeClaim', { resources: { requests: { storage: '1024Mi' } } }), {
      volumeMode: 'Filesystem',
      resources: { requests: { storage: '1Gi' } },
    });
    assert.deepEqual(new Kind('', 'PersistentVolumeClaim').created({ spec: {} }).status, { phase: 'Pending' });
    const storage = new Kind('storage.k8s.io', 'StorageClass').created({ provisioner: 'p' });
    assert.deepEqual([storage.reclaimPolicy, storage.volumeBindingMode], ['Delete', 'Immediate']);
    const hooks = new Kind('admissionregistration.k8s.io', 'MutatingWebhookConfiguration').created({
      webhooks: [{ name: 'w', rules: [{}] }],
    });
    assert.deepEqual(hooks.webhooks, [
      {
        name: 'w',
        rules: [{ scope: '*' }],
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        timeoutSeconds: 10,
        reinvocationPolicy: 'Never',
      },
    ]);
    const crd = specOf('apiextensions.k8s.io', 'CustomResourceDefinition', { names: { kind: 'Foo', plural: 'foos' } });
    assert.deepEqual(crd, {
      names: { kind: 'Foo', plural: 'foos', singular: 'foo', listKind: 'FooList' },
      conversion: { strategy: 'None' },
    });
    assert.deepEqual(
      specOf('', 'LimitRange', { limits: [{ type: 'Container', max: { cpu: '2' }, min: { memory: '1Mi' } }] }),
      {
        limits: [
          {
            type: 'Container',
            max: { cpu: '2' },
            min: { memory: '1Mi' },
            default: { cpu: '2' },
            defaultRequest: { memory: '1Mi', cpu: '2' },
          },
        ],
      },
    );
    assert.deepEqual(new Kind('networking.k8s.io', 'Ingress').created({ spec: {} }).status, { loadBalancer: {} });
    assert.equal(
      new Kind('scheduling.k8s.io', 'PriorityClass').created({ value: 1 }).preemptionPolicy,
      'PreemptLowerPriority',
    );
  });
});
