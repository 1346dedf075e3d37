import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { behaviourOf } from './kind-behaviour.ts';
import type { KubeObject } from './object.ts';
import { loadSchema } from './schema/schema.ts';
import { Kind } from './testing/kinds.ts';

describe('every kind', () => {
  it('takes an object that has nothing but metadata without failing, and defaults it once', () => {
    for (const resource of loadSchema().resources) {
      const behaviour = behaviourOf(resource);
      const object = {
        metadata: { name: 'x', ...(resource.namespaced ? { namespace: 'default' } : {}) },
      } as KubeObject;
      behaviour.applyDefaults(object);
      const once = structuredClone(object);
      behaviour.applyDefaults(object);
      assert.deepEqual(object, once, resource.kind);
      behaviour.prepareForCreate(object);
      const fields = behaviour.selectableFields(object);
      assert.equal(fields['metadata.name'], 'x');
      assert.ok(
        Object.values(fields).every((value) => typeof value === 'string'),
        resource.kind,
      );
      assert.deepEqual(behaviour.warnings(object, undefined), []);
      if (resource.kind === 'TokenReview' || resource.kind === 'SelfSubjectRulesReview') {
        assert.throws(() => behaviour.validateCreate(object), { code: 'BadRequest' });
      } else {
        behaviour.validateCreate(object);
      }
      if (!resource.verbs.includes('update')) continue;
      const old = structuredClone({ ...object, metadata: { ...object.metadata, resourceVersion: '1' } });
      const frozen = JSON.stringify(old);
      for (const { name } of [{ name: '' }, ...resource.subresources]) {
        const next = structuredClone(old);
        behaviour.prepareForUpdate(next, old, name);
        behaviour.validateUpdate(next, old, name);
      }
      assert.equal(JSON.stringify(old), frozen, resource.kind);
    }
  });

  it('can be selected by the fields that its selectors name', () => {
    const known = new Map([
      ['Pod', ['spec.nodeName', 'status.phase', 'status.podIP', 'spec.hostNetwork']],
      ['Event', ['involvedObject.name', 'reason', 'type', 'source', 'reportingComponent']],
      ['Secret', ['type']],
      ['Node', ['spec.unschedulable']],
      ['Namespace', ['status.phase']],
      ['Service', ['spec.clusterIP', 'spec.type']],
    ]);
    for (const [kind, fields] of known) {
      const { behaviour } = new Kind('', kind);
      const selectable = behaviour.selectableFields({ metadata: {} });
      for (const field of fields) assert.ok(Object.hasOwn(selectable, field), `${kind} ${field}`);
    }
  });
});

describe('status and spec', () => {
  const deployments = new Kind('apps', 'Deployment');
  const spec = {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  };

  it('start with an empty status and generation 1', () => {
    const object = deployments.created({ spec, status: { replicas: 9 }, metadata: { generation: 7 } });
    assert.deepEqual(object.status, {});
    assert.equal(object.metadata.generation, 1);
    assert.deepEqual(deployments.createErrors({ spec }), []);
  });

  it('change by their own doors', () => {
    const old = deployments.created({ spec });
    const changed = deployments.update(old, (o) => {
      (o.spec as { replicas: number }).replicas = 3;
      o.status = { replicas: 9 };
    });
    assert.deepEqual(changed.errors, []);
    assert.deepEqual(changed.object.status, {});
    assert.equal(changed.object.metadata.generation, 2);

    const reported = deployments.update(
      old,
      (o) => {
        (o.spec as { replicas: number }).replicas = 3;
        o.status = { replicas: 1 };
        o.metadata.annotations = { seen: 'yes' };
      },
      'status',
    );
    assert.equal((reported.object.spec as { replicas: number }).replicas, 1);
    assert.deepEqual(reported.object.status, { replicas: 1 });
    assert.equal(reported.object.metadata.generation, 1);
    assert.deepEqual(reported.object.metadata.annotations, { seen: 'yes' });
  });

  it('count no change of metadata, and none that says the same in other words', () => {
    const old = deployments.created({ spec });
    const same = deployments.update(old, (o) => {
      o.metadata.labels = { x: 'y' };
      (o.spec as { template: { spec: { tolerations: unknown[] } } }).template.spec.tolerations = [];
    });
    assert.equal(same.object.metadata.generation, 1);
  });
});

describe('updates without a version', () => {
  it('take the stored one where the kind allows it', () => {
    const maps = new Kind('', 'ConfigMap');
    const old = maps.created({});
    assert.deepEqual(maps.update(old, (o) => delete o.metadata.resourceVersion).errors, []);
    const leases = new Kind('coordination.k8s.io', 'Lease');
    const lease = leases.created({ spec: {} });
    assert.equal(leases.behaviour.allowUnconditionalUpdate, false);
    assert.equal(leases.behaviour.allowCreateOnUpdate, true);
    assert.deepEqual(leases.update(lease, (o) => delete o.metadata.resourceVersion).errors, [
      'metadata.resourceVersion: Invalid value: "": must be specified for an update',
    ]);
  });
});

describe('names', () => {
  const first = (group: string, kind: string, name: string): string =>
    new Kind(group, kind).createErrors({}, name)[0] ?? '';
  it('follow the rule of each kind', () => {
    assert.match(first('', 'ConfigMap', 'A'), /^metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain/);
    assert.match(first('', 'Namespace', 'a.b'), /^metadata.name: Invalid value: "a.b": must not contain dots$/);
    assert.match(first('', 'Service', 'a.b'), /^metadata.name: Invalid value: "a.b": must not contain dots$/);
    assert.equal(first('rbac.authorization.k8s.io', 'Role', 'system:x'), '');
    assert.match(first('rbac.authorization.k8s.io', 'ClusterRole', 'a/b'), /may not contain '\/'$/);
    assert.match(first('batch', 'CronJob', 'a'.repeat(53)), /must be no more than 52 characters$/);
    assert.match(first('apps', 'StatefulSet', 'a.b'), /must not contain dots$/);
  });
});
