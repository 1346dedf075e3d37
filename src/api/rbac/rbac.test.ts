import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kind } from '../testing/kinds.ts';

const group = 'rbac.authorization.k8s.io';

describe('roles', () => {
  const roles = new Kind(group, 'Role');
  const clusterRoles = new Kind(group, 'ClusterRole');

  it('say what may be done with what', () => {
    assert.deepEqual(roles.createErrors({ rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] }), []);
    assert.deepEqual(roles.createErrors({ rules: [{ verbs: [] }] }), [
      'rules[0].verbs: Required value: verbs must contain at least one value',
      'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
      'rules[0].resources: Required value: resource rules must supply at least one resource',
    ]);
  });

  it('name paths in cluster roles only, and never together with resources', () => {
    const rule = { verbs: ['get'], nonResourceURLs: ['/healthz'] };
    assert.deepEqual(clusterRoles.createErrors({ rules: [rule] }), []);
    assert.deepEqual(roles.createErrors({ rules: [rule] }), [
      'rules[0].nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs',
    ]);
    assert.deepEqual(clusterRoles.createErrors({ rules: [{ ...rule, resources: ['pods'] }] }), [
      'rules[0].nonResourceURLs: Invalid value: ["/healthz"]: rules cannot apply to both regular resources and non-resource URLs',
    ]);
  });

  it('aggregate by selectors', () => {
    assert.deepEqual(clusterRoles.createErrors({ aggregationRule: {} }), [
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    ]);
    assert.deepEqual(
      clusterRoles.createErrors({
        aggregationRule: { clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'Near' }] }] },
      }),
      [
        'aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
      ],
    );
  });
});

describe('bindings', () => {
  const bindings = new Kind(group, 'RoleBinding');
  const clusterBindings = new Kind(group, 'ClusterRoleBinding');
  const roleRef = { kind: 'ClusterRole', name: 'view' };

  it('get the group that they leave out', () => {
    const binding = bindings.created({
      roleRef,
      subjects: [
        { kind: 'User', name: 'u' },
        { kind: 'ServiceAccount', name: 's', namespace: 'n' },
      ],
    });
    assert.deepEqual(binding.roleRef, { ...roleRef, apiGroup: group });
    assert.deepEqual(binding.subjects, [
      { kind: 'User', name: 'u', apiGroup: group },
      { kind: 'ServiceAccount', name: 's', namespace: 'n' },
    ]);
    assert.deepEqual(bindings.behaviour.validateCreate(binding), []);
  });

  it('are refused in the words of Kubernetes', () => {
    assert.deepEqual(clusterBindings.createErrors({ roleRef: { kind: 'Role', name: 'x' } }), [
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    ]);
    assert.deepEqual(bindings.createErrors({ roleRef: { kind: 'Role', name: '' } }), ['roleRef.name: Required value']);
    assert.deepEqual(bindings.createErrors({ roleRef: { kind: 'Role', name: '../x' } }), [
      `roleRef.name: Invalid value: "../x": may not contain '/'`,
    ]);
    assert.deepEqual(
      clusterBindings.createErrors({
        roleRef,
        subjects: [
          { kind: 'ServiceAccount', name: 's' },
          { kind: 'Robot', name: 'r' },
          { kind: 'User', name: '' },
        ],
      }),
      [
        'subjects[0].namespace: Required value',
        'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
        'subjects[2].name: Required value',
      ],
    );
    assert.deepEqual(bindings.createErrors({ roleRef, subjects: [{ kind: 'Group', name: 'g', apiGroup: 'x' }] }), [
      `subjects[0].apiGroup: Unsupported value: "x": supported values: "${group}"`,
    ]);
  });

  it('never turn to another role', () => {
    const old = bindings.created({ roleRef });
    assert.deepEqual(
      bindings.update(old, (o) => (o.roleRef = { ...roleRef, apiGroup: group, name: 'cluster-admin' })).errors,
      [
        `roleRef: Invalid value: {"kind":"ClusterRole","name":"cluster-admin","apiGroup":"${group}"}: cannot change roleRef`,
      ],
    );
    assert.deepEqual(bindings.update(old, (o) => (o.subjects = [{ kind: 'User', name: 'u' }])).errors, []);
  });
});
